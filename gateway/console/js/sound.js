// The sound for new critical alarms: two tones, made here, repeated while a new one waits. Muting is kept.

const KEY = "muted";
let context = null;

export const isMuted = () => localStorage.getItem(KEY) === "yes";

export function mute(muted) {
  localStorage.setItem(KEY, muted ? "yes" : "no");
}

// Browsers allow sound only after the person has done something on the page, and some time after that.
export function isAllowed() {
  return context !== null && context.state === "running";
}

// `changed` is called whenever it is allowed or no longer so.
export function allow(changed) {
  if (context === null) {
    context = new AudioContext();
    context.addEventListener("statechange", changed);
    changed();
  }
  if (context.state === "suspended") context.resume().catch(() => {});
}

export function alarm() {
  play([880, 660, 880, 660], 0.16, 0.25);
}

export function chime() {
  play([523, 659], 0.22, 0.1);
}

function play(tones, length_s, loudness) {
  if (isMuted() || !isAllowed()) return;
  document.documentElement.dataset.sounded = String(Number(document.documentElement.dataset.sounded ?? 0) + 1);
  const start = context.currentTime;
  for (const [place, frequency] of tones.entries()) {
    const at = start + place * length_s;
    const tone = new OscillatorNode(context, { type: "triangle", frequency });
    const volume = new GainNode(context, { gain: 0 });
    volume.gain.setValueAtTime(0, at);
    volume.gain.linearRampToValueAtTime(loudness, at + 0.01);
    volume.gain.setValueAtTime(loudness, at + length_s - 0.03);
    volume.gain.linearRampToValueAtTime(0, at + length_s);
    tone.connect(volume).connect(context.destination);
    tone.start(at);
    tone.stop(at + length_s);
  }
}
