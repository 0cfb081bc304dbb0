package login

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"errors"
)

// sealer closes what a browser keeps for us during a login: it can neither read nor change it.
// So a login under way costs us no memory, however many are begun.
type sealer struct {
	aead   cipher.AEAD
	random func([]byte)
}

func newSealer(key [32]byte, random func([]byte)) (sealer, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return sealer{}, err
	}
	aead, err := cipher.NewGCM(block)
	return sealer{aead, random}, err
}

// close seals v under a purpose: what was sealed for one does not open for another.
func (s sealer) close(purpose string, v any) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	nonce := make([]byte, s.aead.NonceSize())
	s.random(nonce)
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nonce, nonce, plain, []byte(purpose))), nil
}

func (s sealer) open(purpose, text string, v any) error {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	n := s.aead.NonceSize()
	if err != nil || len(raw) < n {
		return errors.New("it is not what was sealed")
	}
	plain, err := s.aead.Open(nil, raw[:n], raw[n:], []byte(purpose))
	if err != nil {
		return errors.New("it is not what was sealed")
	}
	return json.Unmarshal(plain, v)
}
