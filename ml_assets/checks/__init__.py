"""Whether stored rows may be relied upon, per account, day and level. Pure: frames in, verdicts out."""
