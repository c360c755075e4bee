"""The page on which any collection is explored."""
