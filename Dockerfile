# syntax=docker/dockerfile:1
# The gateway on Node 24. Build: docker build -t guidepost .   Run: docker run -p 4317:4317 -p 4318:4318 -p 10000:10000 -v guidepost:/data guidepost

FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The packages that carry Node's own binary are for machines with an older Node; the image has the right one. They
# cannot be left out by --omit=optional, which would also leave out the native CRC-32C.
RUN npm ci --omit=dev --ignore-scripts \
 && rm -rf node_modules/node-linux-* node_modules/.bin/node

FROM node:24-slim
# The sources are run as they are. They must not lie under node_modules, where Node strips no types.
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY src ./src
# What reflection shows and `tail` decodes by.
COPY proto ./proto

# The log, or the spool of a Kafka bus, lies in /data, the only folder that is written to: the root file system may be read-only.
RUN mkdir /data compiled && chown 10001:10001 /data compiled
VOLUME /data
USER 10001:10001

ENV NODE_ENV=production \
    NODE_COMPILE_CACHE=/app/compiled \
    GUIDEPOST_HOST=0.0.0.0 \
    GUIDEPOST_BUS=log:/data \
    GUIDEPOST_SPOOL_DIRECTORY=/data/spool

# What Node compiles at a first start, so that no start of a container is one: one process with the log, then several with
# Kafka, which need not be there. Node takes it under the same user id on a processor of the same kind, and else does without.
RUN set -e; scratch=$(mktemp -d); \
    for start in "log:$scratch/log 1" 'kafka://127.0.0.1:1 2'; do \
      set -- $start; \
      GUIDEPOST_WORKERS=$2 GUIDEPOST_SPOOL_DIRECTORY=$scratch/spool node src/guidepost.mjs run --bus "$1" > $scratch/lines & \
      until grep -qs listening $scratch/lines; do kill -0 $!; sleep 0.1; done; \
      kill $!; wait $!; rm $scratch/lines; \
    done; \
    rm -r $scratch; chmod -R a-w compiled

# 4317: OTLP over gRPC. 4318: OTLP over HTTP. 9411: Zipkin. 14250, 14268: Jaeger over gRPC and HTTP. 5775, 6831, 6832: the
# Jaeger agent's UDP. 5778: sampling. 10000: all that runs over HTTP. 10001: /metrics, /healthz, /readyz.
EXPOSE 4317 4318 5775/udp 5778 6831/udp 6832/udp 9411 10000 10001 14250 14268

# Alive, not ready: a gateway whose bus is away is right to run on, and to be restarted would not help it.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.GUIDEPOST_ADMIN_PORT || 10001) + '/healthz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]

STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/app/src/guidepost.mjs"]
CMD ["run"]
