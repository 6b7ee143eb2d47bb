// Verifies Vouchsafe's signed assertion (the header X-Vouchsafe-Assertion) in an application. It needs the standard
// library only, Go 1.19 or later.
//
// The project's tests do not run this file; they run the same checks in Python and Rust beside it.
//
// What must not be left out:
//   - Issuer, audience and the keys' URL come from your configuration, never from the request or the token.
//   - The key says which algorithm it is for; a token that says another one is refused.
//   - The header is there exactly once. None, or an empty one: nobody is logged in.
//
// As a program, for trying:
//
//	go run verify_assertion.go -issuer URL -audience HOST -keys URL < token
package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	leeway = 5 * time.Second  // that the clocks of the two machines may differ
	keep   = 5 * time.Minute  // that keys are kept, as the answer's Cache-Control says
	again  = 10 * time.Second // between two fetches because of a key that is not known
)

// Verifier is what an application knows before it sees a token. One for the whole application.
type Verifier struct {
	Issuer   string // portal.url, with its slash
	Audience string // the application's own host
	KeysURL  string // https://auth.example.com/.well-known/jwks.json

	mutex   sync.Mutex
	keys    map[string]publicKey
	fetched time.Time
}

// Claims of a good token. Subject is the user.
type Claims struct {
	Issuer    string   `json:"iss"`
	Audience  string   `json:"aud"`
	Subject   string   `json:"sub"`
	Realm     string   `json:"realm"`
	NotBefore int64    `json:"nbf"`
	Expires   int64    `json:"exp"`
	Level     int      `json:"level"`
	Methods   []string `json:"amr"`
	AuthTime  int64    `json:"auth_time"`
	ID        string   `json:"jti"`
}

type publicKey struct {
	ID        string `json:"kid"`
	Algorithm string `json:"alg"`
	Curve     string `json:"crv"`
	X         string `json:"x"`
	Y         string `json:"y"`
}

// Verify returns the claims of a good token; for any other it says why it is refused.
func (v *Verifier) Verify(token string, now time.Time) (*Claims, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, errors.New("refused: not a token")
	}
	var header struct {
		Algorithm string `json:"alg"`
		KeyID     string `json:"kid"`
	}
	if err := decode(parts[0], &header); err != nil {
		return nil, err
	}
	key, err := v.key(header.KeyID)
	if err != nil {
		return nil, err
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || header.Algorithm != key.Algorithm || !key.verify(parts[0]+"."+parts[1], signature) {
		return nil, errors.New("refused: wrong signature")
	}
	// Only now the claims are worth reading.
	var claims Claims
	if err := decode(parts[1], &claims); err != nil {
		return nil, err
	}
	switch {
	case claims.Issuer != v.Issuer || claims.Audience != v.Audience || claims.Subject == "":
		return nil, errors.New("refused: from or for somebody else")
	case !now.Add(-leeway).Before(time.Unix(claims.Expires, 0)):
		return nil, errors.New("refused: expired")
	case now.Add(leeway).Before(time.Unix(claims.NotBefore, 0)):
		return nil, errors.New("refused: not valid yet")
	}
	return &claims, nil
}

func (k publicKey) verify(signed string, signature []byte) bool {
	x, err := base64.RawURLEncoding.DecodeString(k.X)
	if err != nil {
		return false
	}
	switch k.Algorithm + " " + k.Curve {
	case "EdDSA Ed25519":
		return len(x) == ed25519.PublicKeySize && ed25519.Verify(x, []byte(signed), signature)
	case "ES256 P-256":
		y, err := base64.RawURLEncoding.DecodeString(k.Y)
		if err != nil || len(signature) != 64 {
			return false
		}
		public := ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).SetBytes(x), Y: new(big.Int).SetBytes(y)}
		digest := sha256.Sum256([]byte(signed))
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return public.Curve.IsOnCurve(public.X, public.Y) && ecdsa.Verify(&public, digest[:], r, s)
	}
	return false
}

// key is the published key of that name; the name is for looking it up and for nothing else.
func (v *Verifier) key(id string) (publicKey, error) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	key, known := v.keys[id]
	if age := time.Since(v.fetched); age > keep || (!known && age > again) {
		if err := v.fetch(); err != nil {
			return publicKey{}, err
		}
		key, known = v.keys[id]
	}
	if !known {
		return publicKey{}, errors.New("refused: signed with a key that is not published")
	}
	return key, nil
}

func (v *Verifier) fetch() error {
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get(v.KeysURL)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("no keys: %s", answer.Status)
	}
	var set struct {
		Keys []publicKey `json:"keys"`
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(&set); err != nil {
		return err
	}
	v.keys, v.fetched = map[string]publicKey{}, time.Now()
	for _, key := range set.Keys {
		v.keys[key.ID] = key
	}
	return nil
}

func decode(part string, into any) error {
	bytes, err := base64.RawURLEncoding.DecodeString(part)
	if err == nil {
		err = json.Unmarshal(bytes, into)
	}
	if err != nil {
		return errors.New("refused: not a token")
	}
	return nil
}

func main() {
	var verifier Verifier
	flag.StringVar(&verifier.Issuer, "issuer", "", "portal.url")
	flag.StringVar(&verifier.Audience, "audience", "", "the application's host")
	flag.StringVar(&verifier.KeysURL, "keys", "", "the portal's /.well-known/jwks.json")
	now := flag.Int64("now", time.Now().Unix(), "seconds since 1970 instead of the clock")
	flag.Parse()
	token, err := io.ReadAll(os.Stdin)
	if err == nil {
		var claims *Claims
		claims, err = verifier.Verify(strings.TrimSpace(string(token)), time.Unix(*now, 0))
		if err == nil {
			err = json.NewEncoder(os.Stdout).Encode(claims)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
