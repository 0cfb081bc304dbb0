package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"slipway/integrations/console"
)

// columns is how wide cards are drawn in a terminal.
const columns = 96

// client opens the socket that the flags or the configuration name.
func (c *cli) client() (*console.Client, error) {
	path := c.Socket
	if path == "" {
		conf, err := loadConfig(c.Config)
		if err != nil {
			return nil, err
		}
		path = conf.Socket
	}
	return &console.Client{Path: path, As: c.As}, nil
}

type sayCmd struct {
	Channel string   `help:"Channel; @me is your direct room, which only you and the bot read." default:"general" placeholder:"NAME"`
	Thread  string   `help:"Id of the message that this answers." placeholder:"ID"`
	ID      string   `help:"Id of this message: saying it again with the same id says it once." placeholder:"ID"`
	Text    []string `arg:"" help:"What to say."`
}

func (s *sayCmd) Run(ctx context.Context, c *cli) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	defer client.Close()
	m, err := client.Say(ctx, console.Saying{ID: s.ID, Channel: s.Channel, Thread: s.Thread, Text: strings.Join(s.Text, " ")})
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
	client, err := c.client()
	if err != nil {
		return err
	}
	defer client.Close()
	m, err := client.React(ctx, r.Message, r.Emoji, !r.Remove)
	if err != nil {
		return err
	}
	printMessage(os.Stdout, m)
	return nil
}

type showCmd struct {
	What string `arg:"" help:"A run (2019.01 or release/harbour/2019.01), or the id of a message."`
}

func (s *showCmd) Run(ctx context.Context, c *cli) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	defer client.Close()
	if len(s.What) == 13 && strings.Trim(s.What, "0123456789") == "" {
		shown, err := client.Show(ctx, s.What)
		if err != nil {
			return err
		}
		printMessage(os.Stdout, shown.Message)
		return nil
	}
	raw, err := client.ShowRun(ctx, s.What)
	if err != nil {
		return err
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return err
	}
	fmt.Println(text)
	return nil
}

type watchCmd struct {
	Channel string `help:"Only this channel; @me is your direct room." placeholder:"NAME"`
	All     bool   `help:"From the beginning, not only from now on."`
	Answers bool   `help:"With the answers to slipway ask, which stay in their threads otherwise."`
}

func (w *watchCmd) Run(ctx context.Context, c *cli) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	defer client.Close()
	var since *uint64
	if w.All {
		since = new(uint64)
	}
	quiet := &askedOf{seen: map[string]bool{}, lookup: func(id string) (console.Message, error) {
		shown, err := client.Show(ctx, id)
		return shown.Message, err
	}}
	return client.Watch(ctx, w.Channel, since, func(change console.Change) error {
		if change.Message != nil && !w.Answers && quiet.answer(*change.Message) {
			return nil
		}
		printChange(os.Stdout, change)
		return nil
	})
}

type runsCmd struct{}

// runLine is a run in the list that the socket answers.
type runLine struct {
	Name, Project, Status, Outcome, Requester, Began string
}

func (*runsCmd) Run(ctx context.Context, c *cli) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	defer client.Close()
	raw, err := client.Runs(ctx)
	if err != nil {
		return err
	}
	var runs []runLine
	if err := json.Unmarshal(raw, &runs); err != nil {
		return err
	}
	if len(runs) == 0 {
		fmt.Println("no runs yet: slipway say 'release VERSION' starts one")
		return nil
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RUN\tSTATUS\tASKED FOR BY\tBEGAN")
	for _, r := range runs {
		status := r.Status
		if r.Outcome != "" {
			status = r.Outcome
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.Name, status, r.Requester, r.Began)
	}
	return w.Flush()
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
