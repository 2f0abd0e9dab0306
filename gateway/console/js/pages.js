// The pages, in the order of the navigation. `needs` are calls that the role must be allowed; `under` names the entry of a
// page that has none of its own.

export const PAGES = [
  { name: "queue", key: "q", needs: ["GET /api/v1/alarms"], load: () => import("./queue.js") },
  { name: "alarm", under: "queue", needs: ["GET /api/v1/alarms"], load: () => import("./alarm.js") },
  { name: "map", key: "f", needs: ["GET /api/v1/fleet-map", "GET /api/v1/feed"], load: () => import("./fleet.js") },
  { name: "handover", key: "h", needs: ["GET /api/v1/handovers"], load: () => import("./handover.js") },
  { name: "vehicles", key: "v", needs: ["GET /api/v1/vehicles"], load: () => import("./vehicles.js") },
  { name: "vehicle", under: "vehicles", needs: ["GET /api/v1/vehicles/{vin}"], load: () => import("./vehicle.js") },
  { name: "unprotected", key: "u", needs: ["GET /api/v1/unprotected"], load: () => import("./unprotected.js") },
  { name: "deliveries", key: "d", needs: ["GET /api/v1/deliveries"], load: () => import("./deliveries.js") },
  { name: "meter", key: "m", needs: ["GET /api/v1/desk-meter"], load: () => import("./meter.js") },
  { name: "audit", key: "l", needs: ["GET /api/v1/audit"], load: () => import("./audit.js") },
  { name: "quarantine", key: "x", needs: ["GET /api/v1/quarantine"], load: () => import("./quarantine.js") },
];
