/** What the browser shows. `provider` and `reason` are plain words by then: they need no escaping. */
export function resultPage({
  provider,
  status,
  reason,
}: {
  provider: string;
  status: 'active' | 'failed';
  reason: string | null;
}): { html: string; contentSecurityPolicy: string } {
  const title = status === 'active' ? 'Connected' : 'Not connected';
  const text =
    status === 'active'
      ? `${provider} is connected. You can close this window.`
      : `${provider} could not be connected (${reason}). Close this window and try again.`;
  const html = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title></head>
<body><h1>${title}</h1><p>${text}</p></body>
</html>
`;
  return { html, contentSecurityPolicy: "default-src 'none'; frame-ancestors 'none'; base-uri 'none'" };
}
