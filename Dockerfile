# The gateway of antract. docs/how-to/docker.md explains how to run it.
FROM node:24-slim AS build
WORKDIR /opt/antract
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts scripts
COPY lib lib
RUN npm run build

FROM node:24-slim AS packages
WORKDIR /opt/antract
COPY package.json package-lock.json .npmrc ./
# The last two are for --redis and for /metrics.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
  && npm install --prefix /opt --ignore-scripts --no-audit --no-fund redis@6 prom-client@15

FROM node:24-slim
COPY --from=packages /opt/node_modules /opt/node_modules
COPY --from=packages /opt/antract/node_modules /opt/antract/node_modules
COPY --from=build /opt/antract/dist /opt/antract/dist
COPY package.json /opt/antract/
RUN ln -s /opt/antract/dist/cli.js /usr/local/bin/antract \
  && install --directory --owner=node --group=node --mode=0700 /run/antract /var/lib/antract
# The admin endpoints are not on the public port. Only the user of this image can connect to their socket.
ENV NODE_ENV=production \
    ANTRACT_HOST=0.0.0.0 \
    ANTRACT_PORT=8082 \
    ANTRACT_ADMIN_LISTEN=/run/antract/admin.sock \
    ANTRACT_URL=unix:/run/antract/admin.sock \
    STATE_DIRECTORY=/var/lib/antract
USER node
EXPOSE 8082
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["antract", "status"]
# antract is process 1, so it gets the SIGTERM of `docker stop`.
ENTRYPOINT ["antract"]
CMD ["serve"]
