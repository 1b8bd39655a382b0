# The image of a node: the program, its packages and Node.js, nothing else. Runs as a user of no rights on a root file system that may be read-only;
# writes to /data only, which may be lost where nats.url and s3.bucket are set.
#
#   docker build -t weir .
#   docker run -p 127.0.0.1:9347:9347 -v weir:/data weir        # one node; shows its admin key at the first start

FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
# The image has Node.js; the copy that comes with the packages is for machines whose own is too old. What only compilers and debuggers read goes too.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund --no-update-notifier \
 && rm -rf node_modules/node-linux-* node_modules/.bin \
 && find node_modules -type f \( -name '*.d.ts' -o -name '*.d.cts' -o -name '*.d.mts' -o -name '*.map' -o -name '*.md' \) -delete

# What builds the web UI is a part of no image.
FROM node:24-bookworm-slim AS ui
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier
COPY tsconfig.json ./
COPY web web
RUN node web/build.ts

FROM node:24-bookworm-slim
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY . .
COPY --from=ui /app/web/dist web/dist
RUN mkdir /data && chown node:node /data
USER node
# Reached from outside the container, so only by those who have a key; `off` must be asked for (WEIR_AUTH_ALLOW_INSECURE_NETWORK).
ENV NODE_ENV=production \
    WEIR_HTTP_HOST=0.0.0.0 \
    WEIR_AUTH_MODE=keys \
    WEIR_DATA_DIR=/data \
    NODE_COMPILE_CACHE=/data/compiled
VOLUME /data
# HTTP; syslog; Fluentd forward.
EXPOSE 9347 5514/tcp 5514/udp 24224 4317
# Ready: it has its shards, what the journal held is searchable, and it is not about to stop.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.WEIR_HTTP_PORT || 9347}/readyz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "node/main.ts"]
