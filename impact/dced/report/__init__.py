"""The self-check for readers: page, workbook, record, terminal and notebook."""
