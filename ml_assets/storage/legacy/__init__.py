"""How rows of the schema from before typed decisions read in today's, and the other way. For migrations."""
