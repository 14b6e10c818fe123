// Registers user agents of JsSIP over WSS and has each refresh once, then prints what they cost as one JSON line.
// usage: node --expose-gc register.js URL CA_FILE WARM_UP USERS AT_ONCE
'use strict';

const fs = require('fs');
const JsSIP = require('jssip');
const NodeWebSocket = require('jssip-node-websocket');

const [url, caFile, ...numbers] = process.argv.slice(2);
const [warmUp, users, atOnce] = numbers.map(Number);
const ca = fs.readFileSync(caFile);
const agents = [];

function register(index)
{
  return new Promise((resolve, reject) =>
  {
    const socket = new NodeWebSocket(url, { requestOptions: { ca } });
    const agent = new JsSIP.UA({
      sockets: [socket],
      uri: `sip:user${index}@ims.example`,
      authorization_user: `user${index}@ims.example`,
      password: 'secret',
      register: true,
      session_timers: false
    });

    agent.on('registered', resolve);
    agent.on('registrationFailed', (event) => reject(new Error(event.cause)));
    agents.push({ agent, socket });
    agent.start();
  });
}

async function registerAll(count)
{
  for (let done = 0; done < count; done += atOnce)
  {
    const batch = Array.from({ length: Math.min(atOnce, count - done) }, (_, index) => register(agents.length + index));

    await Promise.all(batch);
  }
}

function refresh({ agent, socket })
{
  return new Promise((resolve, reject) =>
  {
    const receive = socket.ondata; // JsSIP has no event for a refresh

    socket.ondata = (data) =>
    {
      receive(data);
      if (data.startsWith('SIP/2.0 200'))
      {
        socket.ondata = receive;
        resolve();
      }
    };
    agent.once('registrationFailed', (event) => reject(new Error(event.cause)));
    agent.register();
  });
}

async function refreshAll()
{
  for (let done = warmUp; done < agents.length; done += atOnce)
  {
    await Promise.all(agents.slice(done, done + atOnce).map(refresh));
  }
}

function memory()
{
  global.gc();
  global.gc();

  return process.memoryUsage().rss;
}

async function main()
{
  await registerAll(warmUp);
  const rss = memory();
  const began = process.cpuUsage();

  await registerAll(users);
  const registered = process.cpuUsage(began);
  const kB = (memory() - rss) / 1024 / users;
  const then = process.cpuUsage();

  await refreshAll();
  const refreshed = process.cpuUsage(then);

  console.log(JSON.stringify({
    cpu_ms: (registered.user + registered.system) / 1000 / users,
    kB,
    refresh_ms: (refreshed.user + refreshed.system) / 1000 / users
  }));
  process.exit(0);
}

main().catch((error) =>
{
  console.error(error.message);
  process.exit(1);
});
