"""Who answers: the archive at once, a person later."""
