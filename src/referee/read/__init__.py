"""Reading: files, their replay, live catalogs."""
