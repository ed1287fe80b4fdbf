"""What to do with every entity, how sure it is and what waiting costs. Pure: frames in, frames out."""
