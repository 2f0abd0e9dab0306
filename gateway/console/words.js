// Texts for people: causes, ages, places. Everything a vehicle made is shown by textContent only.

export const CAUSES = {
  driver_card_missing: "Driving without a Driver Card",
  unauthorised_movement: "Moved with the ignition off",
  towed: "Towed away",
  tilt: "Lifted or tilted",
  car_alarm: "Car alarm sounding",
  intrusion: "Break-in",
  ignition_on_armed: "Ignition on while armed",
  tamper: "Security unit manipulated",
  battery_disconnect: "Battery cut off",
  jamming_gsm: "Mobile radio jammed",
  jamming_gnss: "Positioning jammed",
  comm_loss_after_jamming: "Silent after jamming",
  comm_loss_after_tamper: "Silent after manipulation",
  hold_up: "Hold-up button",
  manual_report: "Theft reported by a person",
  left_workshop: "Left the workshop",
  wrong_security_code: "Wrong security code",
  unreadable_event: "Unreadable alarm message",
  unknown: "Cause not known here",
  battery_low: "Battery weak",
  backup_battery_low: "Backup battery weak",
  driver_card_battery_low: "Driver Card battery weak",
  health_check_failed: "Self-test failed",
  supervision_lost: "Not heard of for too long",
  mode_overdue: "Special mode overdue",
  gateway_blind: "Gateway is blind",
};

const WORDS = { open: "Open", acknowledged: "Acknowledged", suppressed: "Held back", closed: "Closed" };

export function causeWords(cause) {
  return Object.hasOwn(CAUSES, cause) ? CAUSES[cause] : cause.replaceAll("_", " ");
}

export function stateWords(state) {
  return Object.hasOwn(WORDS, state) ? WORDS[state] : state;
}

export function age(since, now) {
  const seconds = Math.max(0, Math.floor((now - since) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${String(Math.floor(seconds / 60) % 60).padStart(2, "0")} min`;
  const days = Math.floor(seconds / 86400);
  return `${days} ${days === 1 ? "day" : "days"} ${Math.floor(seconds / 3600) % 24} h`;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium", hour12: false });

export function clock(text) {
  return CLOCK.format(new Date(text));
}

export function moment(text) {
  return text ? FULL.format(new Date(text)) : "not known";
}

export function place(position) {
  if (!position) return "No position";
  return `${position.latitude.toFixed(5)}, ${position.longitude.toFixed(5)}`;
}

export function placeInFull(position) {
  if (!position) return "Not known";
  const accuracy = position.accuracy_m == null ? "" : ` ± ${Math.round(position.accuracy_m)} m`;
  return `${place(position)}${accuracy}, at ${moment(position.at)}`;
}
