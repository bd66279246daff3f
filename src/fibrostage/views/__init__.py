"""Tables as people read them: built once, shown by the terminal and by the report's page alike."""
