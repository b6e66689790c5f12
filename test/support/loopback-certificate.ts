/**
 * A self-signed certificate for 127.0.0.1 and localhost, valid from 2020 to 2120, with its key: for servers that tests start
 * on loopback. It guards nothing.
 */
export const loopbackCertificate = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgkNePYZpgbaVpXMpg
lUVW623nkydGynEYy+0fksWcAf6hRANCAATFY9uFtFeuV25/rkHOtR2q3nG2Jvlx
UuLUToCEJ5HtZr9eSTvC33FIhtJw7G/8msqiEWFS5V6AC2PGfVJnZxpi
-----END PRIVATE KEY-----
`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBbjCCARWgAwIBAgIBATAKBggqhkjOPQQDAjAYMRYwFAYDVQQDDA1sb29wYmFj
ayB0ZXN0MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjAYMRYwFAYD
VQQDDA1sb29wYmFjayB0ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAExWPb
hbRXrlduf65BzrUdqt5xtib5cVLi1E6AhCeR7Wa/Xkk7wt9xSIbScOxv/JrKohFh
UuVegAtjxn1SZ2caYqNOMEwwDwYDVR0TAQH/BAUwAwEB/zAaBgNVHREEEzARhwR/
AAABgglsb2NhbGhvc3QwHQYDVR0OBBYEFGSiY8bBmO5KhhISpCrqvbDbfxuoMAoG
CCqGSM49BAMCA0cAMEQCIFMJPdzylVrOc5KUm5lcdSl38K2ergTehy/kHGz31CJD
AiBjPloGC3ORjBmbg2pgKsnLbzzfLZ09YLNAuO6wpC4uNw==
-----END CERTIFICATE-----
`,
};
