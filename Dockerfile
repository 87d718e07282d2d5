# What agents update themselves from: `make dist` for one kind of machine, in an image so that it is
# pinned, mirrored and pulled like any other. It is never run, and holds nothing that could be.
FROM scratch
ARG TARGETARCH
COPY $TARGETARCH /dist
LABEL org.opencontainers.image.title="koprogo-agent" \
      org.opencontainers.image.description="The next version of koprogo-agent, with all that it needs, to be installed offline" \
      org.opencontainers.image.source="https://github.com/gilmry/koprogo-agent" \
      org.opencontainers.image.licenses="AGPL-3.0-or-later"
