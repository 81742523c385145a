// Runs before everything else, on whatever Node is first on the PATH, so it is written for any of them.
const major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  console.error(
    `Posthorn needs Node 24 or newer, this is ${process.version}. ` +
      'It normally comes along with "npm ci"; where npm has no Node 24 package for the platform, install it from nodejs.org.',
  )
  process.exit(78)
}
