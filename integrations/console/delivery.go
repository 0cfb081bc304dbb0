package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"slipway/bot/errs"
)

// Source is the name under which deliveries of the console are stored.
const Source = "console"

// Delivery is one thing that came in, for the engine to store before it is answered. Account is
// proven by the socket, never read from Body.
type Delivery struct {
	Source  string
	ID      string // the same when the same thing is delivered again
	Account string
	Place   string // channel
	Body    []byte
}

// Said is a text that a person typed.
type Said struct {
	Account string
	Place   string // channel
	Thread  string // id of the message it answers; "" for none
	Message string // id
	Text    string
}

// Touched says that the reactions of a message changed: read them again.
type Touched struct {
	Place   string
	Message string
}

// Fact is a [Said] or a [Touched].
type Fact interface{ fact() }

func (Said) fact()    {}
func (Touched) fact() {}

type body struct {
	Kind    string `json:"kind"` // said, touched
	Message string `json:"message"`
	Thread  string `json:"thread,omitempty"`
	Text    string `json:"text,omitempty"`
}

func saidDelivery(m Message) Delivery {
	return deliver("said/"+m.ID, m.Author, m.Channel, body{Kind: "said", Message: m.ID, Thread: m.Thread, Text: m.Text})
}

// The number of the change makes the id: the same change delivered twice is dropped as a repeat,
// the next change of the same reaction never is.
func touchedDelivery(m Message, account string, seq uint64) Delivery {
	return deliver(fmt.Sprintf("touched/%d", seq), account, m.Channel, body{Kind: "touched", Message: m.ID})
}

func deliver(id, account, place string, b body) Delivery {
	raw, _ := json.Marshal(b) // four strings always have a form
	return Delivery{Source: Source, ID: id, Account: account, Place: place, Body: raw}
}

// Decode says what a delivery means. It is pure; the error is of kind [errs.Corrupt].
func Decode(d Delivery) ([]Fact, error) {
	bad := func(why string) ([]Fact, error) {
		return nil, errs.E("console.decode", errs.Corrupt, fmt.Errorf("delivery %q cannot be read: %s", clip(d.ID), why))
	}
	dec := json.NewDecoder(bytes.NewReader(d.Body))
	dec.DisallowUnknownFields()
	var b body
	if err := dec.Decode(&b); err != nil {
		return bad("it is not what the console writes")
	}
	if _, err := dec.Token(); err != io.EOF {
		return bad("there is more after its end")
	}
	if _, ok := idKey(b.Message); !ok || d.Account == "" || d.Place == "" {
		return bad("it does not say who, where and in which message")
	}
	switch {
	case b.Kind == "said" && b.Text != "":
		return []Fact{Said{Account: d.Account, Place: d.Place, Thread: b.Thread, Message: b.Message, Text: b.Text}}, nil
	case b.Kind == "touched":
		return []Fact{Touched{Place: d.Place, Message: b.Message}}, nil
	}
	return bad(fmt.Sprintf("its kind %q is not known", clip(b.Kind)))
}
