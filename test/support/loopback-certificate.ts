/**
 * A self-signed certificate for 127.0.0.1 and localhost, with its key: for servers that tests start on loopback. It guards
 * nothing. Made to last a century by `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500
 * -subj "/CN=loopback test" -addext "subjectAltName=IP:127.0.0.1,DNS:localhost"`.
 */
export const loopbackCertificate = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgkNePYZpgbaVpXMpg
lUVW623nkydGynEYy+0fksWcAf6hRANCAATFY9uFtFeuV25/rkHOtR2q3nG2Jvlx
UuLUToCEJ5HtZr9eSTvC33FIhtJw7G/8msqiEWFS5V6AC2PGfVJnZxpi
-----END PRIVATE KEY-----
`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBojCCAUmgAwIBAgIUCEVgZ2ky/NWZ0mLQC2+Hgx3qqR0wCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNbG9vcGJhY2sgdGVzdDAgFw0yNjExMjMwNjU1MDBaGA8yMTI2
MTAzMDA2NTUwMFowGDEWMBQGA1UEAwwNbG9vcGJhY2sgdGVzdDBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABMVj24W0V65Xbn+uQc61HarecbYm+XFS4tROgIQnke1m
v15JO8LfcUiG0nDsb/yayqIRYVLlXoALY8Z9UmdnGmKjbzBtMB0GA1UdDgQWBBRk
omPGwZjuSoYSEqQq6r2w238bqDAfBgNVHSMEGDAWgBRkomPGwZjuSoYSEqQq6r2w
238bqDAPBgNVHRMBAf8EBTADAQH/MBoGA1UdEQQTMBGHBH8AAAGCCWxvY2FsaG9z
dDAKBggqhkjOPQQDAgNHADBEAiAidBb0XKLlRr+Vl8IhDi6hmlAqJuo6w2WSUYRC
6EgKKQIgQY839ar4Vg/a0gGhoMt4/Ywmuh1uTLpLba5USZb1OYw=
-----END CERTIFICATE-----
`,
};
