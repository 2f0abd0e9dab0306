// The pages, in the order of the navigation. `needs` are calls that the role must be allowed; `under` has no entry of its own.

export const PAGES = [
  { name: "queue", key: "q", needs: ["GET /api/v1/alarms"], load: () => import("./queue.js") },
];
