"""What a page is about: the choices that all pages share."""
