# Build from the checkout: docker build -f deploy/docker/edge.Dockerfile -t causeway-edge .
FROM node:24-slim AS bundle
WORKDIR /app
COPY package.json package-lock.json ./
COPY shared/package.json shared/
COPY edge/package.json edge/
COPY cloud/package.json cloud/
COPY simulators/package.json simulators/
RUN npm ci --include=dev --ignore-scripts --include-workspace-root --workspace edge --workspace shared
COPY deploy/local deploy/local
COPY shared/src shared/src
COPY edge/src edge/src
RUN node deploy/local/bundle.mjs

# Node, the bundle with its addon, and the launcher, which has the settings that keep memory low.
FROM node:24-slim
WORKDIR /app
COPY --from=bundle /app/edge/dist edge/dist
COPY edge/bin edge/bin
RUN mkdir -p .cache /data && chown node:node .cache /data
USER node
# Loads all that `run` loads, so that it is compiled in the image; what is kept is of this user only.
RUN edge/bin/causeway-edge check --set gateway=g1 --set dataDir=/data \
  --set 'uplink.servers=[nats://nats]' --set mqtt.auth.anonymous=true
VOLUME /data
EXPOSE 1883 8081
HEALTHCHECK CMD ["node", "-e", "fetch('http://127.0.0.1:8081/livez').then(a=>process.exit(a.ok?0:1),()=>process.exit(1))"]
CMD ["edge/bin/causeway-edge", "run", "--config", "/etc/causeway/edge.yaml"]
