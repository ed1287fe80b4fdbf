"""What the API answers and takes, as pydantic models: they document, and check what comes in."""
