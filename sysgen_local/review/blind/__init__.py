"""The page on which a person labels phrases and pairs of answers without seeing a verdict."""
