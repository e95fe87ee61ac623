"""Images to features: the networks that come with ferbench."""
