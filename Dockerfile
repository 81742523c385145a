# syntax=docker/dockerfile:1
FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Node is in the image already (the optional packages are Node), and examples bring dependencies of their own.
RUN npm ci --omit=dev --omit=optional --workspaces=false

FROM node:24-slim
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY package.json ./
COPY drizzle drizzle
COPY src src
# The only place that is written to. Defaults say ./data, so that is where it leads.
RUN mkdir --mode=700 /data && chown node:node /data && ln -s /data data
ENV NODE_ENV=production POSTHORN_HOST=0.0.0.0
USER node
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
# Alive is who answers, whatever it says: one that waits for another's migration says 503, and is not to be killed.
HEALTHCHECK --interval=15s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.POSTHORN_PORT || 8080) + '/healthz').then(() => process.exit(0), () => process.exit(1))"]
ENTRYPOINT ["node", "--max-semi-space-size=24", "/app/src/cli/posthorn.ts"]
CMD ["start"]
