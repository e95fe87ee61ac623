"""What the encoder may see: the maskings that come with ferbench."""
