"""The validated configuration: sections, files, and what each command reads of them."""
