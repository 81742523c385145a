/** ABUSE §5 A and B, one by one: what a client may give as a URL and what must never be called. */

const MAX_URL = 2048

/** Hosts that are an address which is not the public internet's, however it is written. Numbers are those of ABUSE. */
const HOSTS: Record<number, readonly string[]> = {
  1: ['127.0.0.1', '127.1.2.3', '127.255.255.255'],
  2: ['localhost', 'LOCALHOST', 'localhost.', 'loc%61lhost', 'ⓛⓞⓒⓐⓛⓗⓞⓢⓣ', 'a.localhost', 'a.b.localhost.'],
  3: ['127.1', '127.0.1'],
  4: ['2130706433', '3232235521', '2852039166'],
  5: ['0x7f000001', '0x7f.1', '0x7f.0x0.0x0.0x1', '0xa9fea9fe'],
  6: ['017700000001', '0177.0.0.1', '0177.1'],
  7: ['127.000.000.001', '0012.0.0.1', '000000177.1'],
  8: ['①②⑦.⓪.⓪.①', '127。0。0。1', '127．0．0．1', '%31%32%37.0.0.1', '１２７.0.0.1'],
  9: ['0', '0.0.0.0', '0.1.2.3', '0x0'],
  10: ['127.0.0.1.', '10.0.0.1.', '2130706433.'],
  11: ['[::1]', '[::]', '[0:0:0:0:0:0:0:1]'],
  12: ['[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[0:0:0:0:0:ffff:127.0.0.1]', '[::ffff:10.0.0.1]', '[::FFFF:0:0]'],
  13: ['[::ffff:a9fe:a9fe]', '[::ffff:169.254.169.254]'],
  14: ['[::127.0.0.1]', '[::7f00:1]', '[::ffff:0:127.0.0.1]'],
  15: ['[64:ff9b::7f00:1]', '[64:ff9b:1::7f00:1]', '[64:ff9b::169.254.169.254]'],
  16: ['[2002:7f00:1::1]', '[2002:a9fe:a9fe::]', '[2002:c0a8:1::1]'],
  17: ['[2001::1]', '[2001:0:7f00:1::]', '[2001:10::1]', '[2001:1ff:ffff::1]'],
  18: ['[fd00:ec2::254]', '[fc00::1]', '[fd20:ce::254]', '[fdff:ffff::1]'],
  19: ['[fe80::1]', '[febf::1]'],
  20: [
    '[fec0::1]',
    '[ff02::1]',
    '[100::1]',
    '[3fff::1]',
    '[2001:db8::1]',
    '[2620:4f:8000::1]',
    '[5f00::1]',
    '[4000::]',
  ],
  21: [
    ...['10.0.0.0', '10.255.255.255', '172.16.0.0', '172.31.255.255', '192.168.0.0', '192.168.255.255'],
    ...['192.0.0.1', '192.31.196.1', '192.52.193.1', '192.175.48.1'],
  ],
  22: ['100.64.0.0', '100.64.0.1', '100.100.100.200', '100.127.255.255'],
  23: ['169.254.169.254', '169.254.170.2', '169.254.0.1'],
  24: ['168.63.129.16'],
  25: [
    ...['192.0.2.1', '198.51.100.1', '203.0.113.1', '198.18.0.1', '198.19.255.255', '192.88.99.1'],
    ...['240.0.0.1', '255.255.255.255', '224.0.0.1', '239.255.255.250'],
  ],
}

/** URLs whose host is one of those, behind something that other parsers read differently. */
const DISGUISED: readonly string[] = [
  ...['http://good@127.0.0.1/', 'http://127.0.0.1@good.example/', 'http://good.example:80@127.0.0.1/'],
  ...['http://user:pass@good.example/', 'http://@good.example/', 'http://:@good.example/', 'http://%00@127.0.0.1/'],
  ...['http:127.0.0.1', 'http:\\\\127.0.0.1', 'http:///127.0.0.1', 'http:/127.0.0.1', 'http:////127.0.0.1//x'],
  ...['http://127.\t0.0.1/', 'http://127.0\n.0.1/', ' http://127.0.0.1/', 'http://127.0.0.1/\r\nx: y'],
  ...['http://good.example\\@127.0.0.1/', 'http://good.example#@127.0.0.1/', 'http://127.0.0.1#@good.example/'],
  ...['http://127.0.0.1\\good.example/', 'http://good.example /', 'http://127.0.0.1%20/', 'http://127.0.0.1\u0000/'],
  ...['http://127.0.0.1%00.good.example/', 'http://127.0.0.1%0d%0ax:y/', 'http://good.example\u0000/'],
  ...['http://good.example/\r\nx-injected: yes', 'http://good%0d%0a.example/', 'http://[fe80::1%25lo]/'],
  ...['http://[::1%lo]/', 'http://[::1', 'http://256.0.0.1/', 'http://1.1.1.1.1/', 'http://foo.0x7f/'],
]

/** 31: what is not http at all. */
const SCHEMES: readonly string[] = [
  ...['file:///etc/passwd', 'ftp://127.0.0.1/', 'gopher://127.0.0.1:6379/_x', 'data:text/plain,x'],
  ...[
    'javascript:alert(1)',
    'blob:http://127.0.0.1/x',
    'ws://127.0.0.1/',
    'wss://127.0.0.1/',
    'dict://127.0.0.1:11211/',
  ],
  ...[
    'unix:/run/docker.sock',
    'http://unix:/run/docker.sock:/x',
    'http+unix://%2Frun%2Fdocker.sock/x',
    'jar:http://x!/',
  ],
  ...['//127.0.0.1/', '/hook', '', 'http://', 'about:blank', 'view-source:http://127.0.0.1/'],
]

/** 32: ports nobody serves webhooks on, on this host and on a public one. */
const PORTS: readonly string[] = [
  0, 22, 25, 53, 110, 143, 465, 587, 993, 3306, 5432, 6379, 9200, 11_211, 65_536,
].flatMap((port) => [`http://127.0.0.1:${port}/`, `http://93.184.216.34:${port}/`])

/** 33. A million characters are refused for their length before anybody looks at them. */
const SIZES: readonly string[] = [
  `http://93.184.216.34/${'a'.repeat(MAX_URL + 1 - 'http://93.184.216.34/'.length)}`,
  `http://${'a'.repeat(64)}.example/`,
  `http://${'a.'.repeat(126)}aa/`,
  'http://a..example/',
]
export const MILLION_CHARACTERS = `http://93.184.216.34/${'a'.repeat(1_000_000)}`

const hostUrls = (hosts: readonly string[]): string[] => hosts.flatMap((host) => [`http://${host}/hook`])
/** The same addresses on other ports and over TLS: what is blocked is the address. */
const elsewhere = ['127.0.0.1', 'localhost', '[::1]', '2130706433', '[::ffff:a9fe:a9fe]', '169.254.169.254'].flatMap(
  (host) => [`https://${host}/`, `http://${host}:8080/`, `https://${host}:8443/x?y=z`],
)

/** Refused when they are given, and at each attempt when they have come into the tables some other way. */
export const FORBIDDEN_URLS: readonly string[] = [
  ...Object.values(HOSTS).flatMap(hostUrls),
  ...elsewhere,
  ...DISGUISED,
  ...SCHEMES,
  ...PORTS,
  ...SIZES,
]

/** Just outside what is forbidden. */
export const NEIGHBOURS: readonly string[] = [
  ...['172.15.255.255', '172.32.0.0', '100.63.255.255', '100.128.0.0', '9.255.255.255', '11.0.0.0', '126.255.255.255'],
  ...['128.0.0.0', '192.167.255.255', '192.169.0.0', '169.253.255.255', '169.255.0.0', '198.17.255.255', '198.20.0.0'],
  ...['223.255.255.255', '[2003::1]', '[2001:200::1]', '[2606:4700::1111]'],
].map((host) => `http://${host}/hook`)

/** What one of these addresses looks like to who connects without asking: `host` of a URL, as the parser leaves it. */
export const PLAIN_HOSTS: readonly string[] = [...new Set(Object.values(HOSTS).flat().flatMap(literalOf))]

function literalOf(host: string): string[] {
  const { hostname } = new URL(`http://${host}/`)
  return /^[\d.]+$|^\[/.test(hostname) ? [hostname.replace(/^\[|\]$/g, '')] : []
}

/** B: names anybody can register, and what they answer (ABUSE 34, 35, 38). */
export const FORBIDDEN_NAMES: Readonly<Record<string, readonly string[]>> = {
  'loopback.test': ['127.0.0.1'],
  'private.test': ['10.0.0.1'],
  'metadata.test': ['169.254.169.254'],
  'any.test': ['0.0.0.0'],
  'public-first.test': ['93.184.216.34', '10.0.0.1'],
  'private-first.test': ['10.0.0.1', '93.184.216.34'],
  'loopback6.test': ['::1'],
  'mapped.test': ['::ffff:7f00:1'],
  'nat64.test': ['64:ff9b::7f00:1'],
  'local6.test': ['fd00:ec2::254', '93.184.216.34'],
  'alias.test': ['CNAME private.test', '10.0.0.1'],
  'alias-of-metadata.test': ['CNAME metadata.test', '169.254.169.254'],
  'last-of-many.test': [...Array.from({ length: 19 }, (_, index) => `93.184.216.${index + 40}`), '127.0.0.1'],
}
