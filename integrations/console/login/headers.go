package login

import (
	"net/http"
	"strings"
	"time"
)

// policy lets a browser run, show and send to nothing but what we serve (Content Security Policy
// Level 3). Our pages have no inline script and no inline style.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"font-src 'self'; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// headers are on every answer. What is for everybody and may be kept says so itself, by another
// Cache-Control.
func headers(h http.Header, secure bool) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Cache-Control", "no-store")
	if secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// cookieName is the name of the session's cookie. Over TLS a name with the prefix __Host- is one
// that only this very host can set (RFC 6265bis, section 4.1.3.2). Cookies of one host are shared by
// all its ports, so without TLS the port is in the name: two consoles do not log each other out.
func cookieName(r *http.Request, secure bool, what string) string {
	if secure {
		return "__Host-" + what
	}
	if _, port := splitHost(r.Host); port != "" {
		return what + "-" + port
	}
	return what
}

// setCookie sets a cookie that scripts cannot read. SameSite is Lax and not Strict, since the way
// back from an OpenID provider, and a link in a mail, begin at another site; what changes
// something is refused to other sites in any case.
func setCookie(w http.ResponseWriter, r *http.Request, secure bool, what, value string, life time.Duration) {
	age := int(life / time.Second)
	if value == "" {
		age = -1
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName(r, secure, what), Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode})
}

const sessionWhat = "slipway"

// sessionCookie is the secret of the session. Two cookies of the name mean that another page put
// one of them there: neither is believed.
func sessionCookie(r *http.Request, secure bool) (string, bool) {
	name := cookieName(r, secure, sessionWhat)
	found := r.CookiesNamed(name)
	if len(found) != 1 {
		return "", false
	}
	return found[0].Value, true
}

// ownPath reports whether the door itself serves a path.
func ownPath(path string) bool {
	for _, own := range []string{"/login", "/logout", "/account"} {
		if path == own || strings.HasPrefix(path, own+"/") {
			return true
		}
	}
	return false
}
