"""Everything that speaks SQL: tables, the engine, reads, writes and repositories. No business rule."""
