// Where the page is: "#/<id>" is a conversation, all else the list.

export const idOf = (hash) => /^#\/([0-9a-f]{24})$/.exec(hash ?? '')?.[1] ?? null;

export const hashOf = (id) => `#/${id ?? ''}`;
