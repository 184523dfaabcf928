"""Small neural vocoders of different kinds, trained here on permissively licensed speech, as the source of matched pairs."""
