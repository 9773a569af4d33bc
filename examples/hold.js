// Keeps a TCP port open while it runs, and prints what becomes of it: node hold.js 8080
const net = require("node:net");

const path = process.env.NATD_SOCKET || "/run/natd/org.natd.NAT";
const parameters = { protocols: ["tcp"], internalPort: Number(process.argv[2] || 8080) };

function show(reply) {
  if (reply.error) {
    console.log(`closed: ${reply.error}`);
    if (reply.error !== "org.natd.NAT.ShuttingDown") process.exit(1);
    return;
  }
  const { state, external } = reply.parameters.mapping.runtime;
  if (["active", "renewing", "degraded"].includes(state))
    console.log(`open ${external.address}:${external.port}`);
  else console.log(`closed: ${state}`);
}

// With "more" the mapping lives as long as the connection; each change is a reply.
function follow() {
  const natd = net.connect(path);
  let rest = "";
  natd.setEncoding("utf8");
  natd.write(JSON.stringify({ method: "org.natd.NAT.RequestMapping", parameters, more: true }) + "\0");
  natd.on("data", (text) => {
    const messages = (rest + text).split("\0");
    rest = messages.pop();
    messages.map((message) => JSON.parse(message)).forEach(show);
  });
  natd.on("error", (error) => console.log(`closed: ${error.message}`));
  // natd is being restarted: the port is asked for again.
  natd.on("close", () => setTimeout(follow, 1000));
}

follow();
