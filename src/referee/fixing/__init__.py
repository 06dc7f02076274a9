"""From what rules propose to text: edits of files that nobody has run, or the steps of a migration."""
