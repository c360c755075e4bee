"""What is known of masks without reading their pixels, and the bounds that follow from it."""
