"""What texts are made of: numbers, names, and phrases with places to fill. The phrases live elsewhere."""
