-- Run by the image once, when its volume is new: Dagster's own storage beside the database of the product.
CREATE DATABASE dagster;
