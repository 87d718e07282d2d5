"""`koprogo-release`: parses, prints, exits; decides nothing."""
