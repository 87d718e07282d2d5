"""What the release manager uses: trust roots, releases, freshness. Behind `koprogo-release`."""
