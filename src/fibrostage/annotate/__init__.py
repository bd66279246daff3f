"""The page on which people read: exams for readers, disputes for adjudicators, progress for the lead."""
