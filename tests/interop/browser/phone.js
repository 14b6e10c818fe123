// One JsSIP user agent in a page. tests/interop/peers/browser.py calls the functions of `phone` and awaits them.
"use strict";

const phone = (() => {
  const CALL_OPTIONS = {
    // What the microphone's file holds must arrive as it is.
    mediaConstraints: { audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false }, video: false },
    pcConfig: { iceServers: [] },
    sessionTimersExpires: 600,
  };
  let agent;
  let session; // the only call
  let incoming; // resolves with the next call that rings
  let analyser; // of the sound from the other end

  const once = (emitter, good, bad) =>
    new Promise((resolve, reject) => {
      emitter.on(good, resolve);
      for (const name of bad) {
        emitter.on(name, (event) =>
          reject(new Error(`${name}: ${event.cause ?? ""} ${event.response?.status_code ?? event.message?.status_code ?? ""}`)));
      }
    });

  const adopt = (next) => {
    session = next;
    session.ended = new Promise((resolve) => {
      for (const name of ["ended", "failed"]) session.on(name, (event) => resolve(`${name} by ${event.originator}: ${event.cause}`));
    });
    if (session.connection) listen(session.connection);
    session.on("peerconnection", ({ peerconnection }) => listen(peerconnection));
  };

  const listen = (connection) => {
    connection.addEventListener("track", ({ track }) => {
      const stream = new MediaStream([track]);
      document.getElementById("remote").srcObject = stream;
      const context = new AudioContext();
      analyser = context.createAnalyser();
      analyser.fftSize = 16384;
      context.createMediaStreamSource(stream).connect(analyser);
    });
  };

  const strongest = () => {
    if (!analyser) return { frequency: 0, level: -Infinity };
    const bins = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(bins);
    const at = bins.indexOf(Math.max(...bins));
    return { frequency: (at * analyser.context.sampleRate) / analyser.fftSize, level: bins[at] };
  };

  return {
    async register({ server, uri, password, user, token, expires }) {
      agent = new JsSIP.UA({
        sockets: [new JsSIP.WebSocketInterface(server)],
        uri,
        password,
        authorization_user: user,
        authorization_jwt: token && `Bearer ${token}`,
        register_expires: expires ?? 300,
        session_timers: false,
      });
      incoming = new Promise((resolve) => {
        agent.on("newRTCSession", (event) => {
          if (event.originator === "remote") {
            adopt(event.session);
            resolve(event.session);
          }
        });
      });
      const registered = once(agent, "registered", ["registrationFailed", "disconnected"]);
      agent.start();
      return (await registered).response.status_code;
    },
    async unregister() {
      const gone = once(agent, "unregistered", []);
      agent.unregister({ all: false });
      await gone;
      agent.stop();
    },
    async call({ target }) {
      const session = agent.call(target, CALL_OPTIONS);
      adopt(session);
      await once(session, "accepted", ["failed"]);
    },
    async answer() {
      const session = await incoming;
      const accepted = once(session, "accepted", ["failed"]);
      session.answer(CALL_OPTIONS);
      await accepted;
      return session.remote_identity.uri.toString();
    },
    hangup() {
      session.terminate();
    },
    async ended() {
      return session.ended;
    },
    // What the browser itself counted, and the strongest frequency it hears.
    async stats() {
      const found = { tone: strongest(), dtls: null, sent: null, received: null, source: null };
      for (const entry of (await session.connection.getStats()).values()) {
        if (entry.type === "transport") found.dtls = entry.dtlsState;
        if (entry.type === "media-source") found.source = { level: entry.audioLevel, energy: entry.totalAudioEnergy };
        if (entry.type === "outbound-rtp") found.sent = { packets: entry.packetsSent };
        if (entry.type === "inbound-rtp") {
          found.received = {
            packets: entry.packetsReceived,
            lost: entry.packetsLost,
            level: entry.audioLevel,
            energy: entry.totalAudioEnergy,
          };
        }
      }
      return found;
    },
    sdp() {
      return { local: session.connection.localDescription.sdp, remote: session.connection.remoteDescription.sdp };
    },
  };
})();
