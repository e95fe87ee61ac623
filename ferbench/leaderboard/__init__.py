"""What papers print, beside what was measured: the published numbers and their audit, and the tables of the board. No torch."""
