package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"slipway/bot/errs"
	"slipway/integrations/console"
	"slipway/integrations/console/client"
)

// columns is how wide cards are drawn in a terminal.
const columns = 96

// client opens the API of the bot that the flags or the configuration name.
func (c *cli) client() (*client.Client, error) {
	if c.URL != "" && c.As != "" {
		return nil, errs.E("client", errs.Invalid, errors.New("--as and --url are both given")).Hint("a token says who you are: leave out --as and SLIPWAY_AS")
	}
	if c.URL != "" {
		token, err := readToken(c.TokenFile)
		if err != nil {
			return nil, err
		}
		return &client.Client{URL: c.URL, Token: token}, nil
	}
	path := c.Socket
	if path == "" {
		conf, err := loadConfig(c.Config)
		if err != nil {
			return nil, err
		}
		path = conf.Socket
	}
	return &client.Client{Path: path, As: c.As}, nil
}

// readToken reads a token from a file that nobody else can read.
func readToken(path string) (string, error) {
	const how = "make a token with slipway token new, put it into a file that only you can read, and name that with --token-file or SLIPWAY_TOKEN_FILE"
	if path == "" {
		return "", errs.E("client", errs.Invalid, errors.New("--url is given without a token")).Hint(how)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", errs.E("client", errs.Invalid, fmt.Errorf("the token file %s cannot be read: %w", path, plainError(err))).Hint(how)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", errs.E("client", errs.Denied, fmt.Errorf("others can read the token file %s", path)).Hint("chmod 600 %s, and revoke the token if others may have seen it", path)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", errs.E("client", errs.Invalid, fmt.Errorf("the token file %s cannot be read: %w", path, plainError(err))).Hint(how)
	}
	token := strings.TrimSpace(string(raw))
	if token == "" || strings.ContainsAny(token, " \n\r\t") || len(token) > 200 {
		return "", errs.E("client", errs.Invalid, fmt.Errorf("the token file %s does not hold one token", path)).Hint(how)
	}
	return token, nil
}

// plainError is an error of the system without the path and the name of the call.
func plainError(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// inJSON lets a command answer in JSON, for scripts.
type inJSON struct {
	JSON bool `help:"Answer in JSON, as the API does."`
}

// print writes an answer of the API for people, or as it is.
func (j inJSON) print(raw json.RawMessage, into any, show func(io.Writer) error) error {
	if j.JSON {
		_, err := os.Stdout.Write(raw)
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return errs.E("client", errs.Corrupt, errors.New("the answer cannot be read")).Hint("use a slipway of the same version as the bot")
	}
	return show(os.Stdout)
}

// reads asks the API and prints the answer.
func reads[A any](ctx context.Context, c *cli, j inJSON, path string, query url.Values, show func(io.Writer, A) error) error {
	bot, err := c.client()
	if err != nil {
		return err
	}
	defer bot.Close()
	raw, err := client.Get[json.RawMessage](ctx, bot, path, query)
	if err != nil {
		return err
	}
	var a A
	return j.print(raw, &a, func(w io.Writer) error { return show(w, a) })
}

type sayCmd struct {
	Channel string   `help:"Channel; @me is your direct room, which only you and the bot read." default:"general" placeholder:"NAME"`
	Thread  string   `help:"Id of the message that this answers." placeholder:"ID"`
	ID      string   `help:"Id of this message: saying it again with the same id says it once." placeholder:"ID"`
	Text    []string `arg:"" help:"What to say."`
}

func (s *sayCmd) Run(ctx context.Context, c *cli) error {
	bot, err := c.client()
	if err != nil {
		return err
	}
	defer bot.Close()
	m, err := bot.Say(ctx, console.Saying{ID: s.ID, Channel: s.Channel, Thread: s.Thread, Text: strings.Join(s.Text, " ")})
	if err != nil {
		return err
	}
	fmt.Println(m.ID)
	return nil
}

type reactCmd struct {
	Message string `arg:"" help:"Id of the message, as watch shows it."`
	Emoji   string `arg:"" optional:"" default:"✅" help:"✅ approves, ❌ rejects; ✅ if left out."`
	Remove  bool   `help:"Take the reaction away."`
}

func (r *reactCmd) Run(ctx context.Context, c *cli) error {
	bot, err := c.client()
	if err != nil {
		return err
	}
	defer bot.Close()
	m, err := bot.React(ctx, r.Message, r.Emoji, !r.Remove)
	if err != nil {
		return err
	}
	printMessage(os.Stdout, m)
	return nil
}

type watchCmd struct {
	Channel string `help:"Only this channel; @me is your direct room." placeholder:"NAME"`
	All     bool   `help:"From the beginning, not only from now on."`
	Answers bool   `help:"With the answers to slipway ask, which stay in their threads otherwise."`
}

func (w *watchCmd) Run(ctx context.Context, c *cli) error {
	bot, err := c.client()
	if err != nil {
		return err
	}
	defer bot.Close()
	var since *uint64
	if w.All {
		since = new(uint64)
	}
	quiet := &askedOf{seen: map[string]bool{}, lookup: func(id string) (console.Message, error) {
		shown, err := bot.Show(ctx, id)
		return shown.Message, err
	}}
	return bot.Watch(ctx, w.Channel, since, func(change console.Change) error {
		if change.Message != nil && !w.Answers && quiet.answer(*change.Message) {
			return nil
		}
		printChange(os.Stdout, change)
		return nil
	})
}

// printChange writes one change of the room as a few lines.
func printChange(w io.Writer, c console.Change) {
	switch c.Kind {
	case console.Posted, console.Edited:
		if c.Message != nil {
			printMessage(w, *c.Message)
		}
	case console.Reacted:
		fmt.Fprintf(w, "%s reacts %s to %s\n", name(c.Account), c.Emoji, c.ID)
	case console.Unreacted:
		fmt.Fprintf(w, "%s takes %s from %s\n", name(c.Account), c.Emoji, c.ID)
	}
}

func printMessage(w io.Writer, m console.Message) {
	channel := "#" + m.Channel
	if console.IsDirect(m.Channel) {
		channel = m.Channel
	}
	head := fmt.Sprintf("%s %s %s", channel, m.ID, name(m.Author))
	if m.Thread != "" {
		head += " in the thread of " + m.Thread
	}
	fmt.Fprintf(w, "%s\n%s\n", head, indent(messageText(m)))
	if len(m.Reactions) > 0 {
		var all []string
		for _, r := range m.Reactions {
			all = append(all, r.Emoji+" "+name(r.Account))
		}
		fmt.Fprintf(w, "    %s\n", strings.Join(all, "  "))
	}
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ")
}

// name is an account as people read it.
func name(account string) string {
	_, id, ok := strings.Cut(account, ":")
	if !ok {
		return account
	}
	return id
}
