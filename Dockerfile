# syntax=docker/dockerfile:1

FROM denoland/deno:2.9.6 AS build
WORKDIR /build
# The packages change seldom: a layer of their own.
COPY deno.json deno.lock ./
RUN deno install --frozen
COPY . .
# The data folder's owner below is taken from this one.
RUN deno task compile --output /build/assets-server && mkdir /build/data

# The executable needs glibc and libgcc, and nothing else: no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="assets-server" \
  org.opencontainers.image.description="Stores asset files and searches their metadata; a registry of such stores" \
  org.opencontainers.image.licenses="MIT" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}"
COPY --from=build /build/assets-server /assets-server
COPY --from=build --chown=nonroot:nonroot /build/data /data
ENV HOST=0.0.0.0 DATA_DIR=/data
USER nonroot
WORKDIR /data
VOLUME /data
EXPOSE 4000
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["/assets-server", "health"]
ENTRYPOINT ["/assets-server"]
