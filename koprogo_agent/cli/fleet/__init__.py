"""`koprogo-fleet`: parses, prints, exits; decides nothing."""
