package playbook

import (
	"fmt"
	"strings"

	"slipway/bot/action"
)

// ledger is the declared ledger of that name, or nil.
func (c *checker) ledger(name string) *Ledger {
	for i := range c.p.Ledgers {
		if c.p.Ledgers[i].Name == name {
			return &c.p.Ledgers[i]
		}
	}
	return nil
}

// rows checks what a ledger.* action says about a ledger of this playbook: its name, which must
// be written out, and the states and columns that are.
func (c *checker) rows(d *DoPart, where string) {
	if !strings.HasPrefix(d.Contract.Name, "ledger.") || d.With["ledger"] == nil {
		return
	}
	t := d.With["ledger"]
	name, _ := t.fixed.(string)
	if t.shape != fixedText {
		c.bad("ledger", t.Pos, fmt.Sprintf("%s names its ledger by an expression, so nobody can tell which rows it writes", where), "write the name of the ledger")
		return
	}
	l := c.ledger(name)
	if l == nil {
		var names []string
		for _, l := range c.p.Ledgers {
			names = append(names, l.Name)
		}
		c.bad("ledger", t.Pos, fmt.Sprintf("%s names the ledger %q, which is not declared", where, name), didYouMean(name, names))
		return
	}
	if to := d.With["to"]; to != nil && to.shape == fixedText {
		if state := fmt.Sprint(to.fixed); !contains(l.States, state) {
			c.bad("ledger", to.Pos, fmt.Sprintf("%s moves a row of %s to the state %q, which does not exist", where, name, state), didYouMean(state, l.States))
		} else if !l.reached(state) {
			c.bad("ledger", to.Pos, fmt.Sprintf("%s moves a row of %s to %s, and no move leads there", where, name, state), "add it to the moves of the ledger")
		}
	}
	columns := fieldNames(action.Obj(l.Columns...))
	known := func(column string, pos Pos) {
		if !contains(columns, column) {
			c.bad("ledger", pos, fmt.Sprintf("%s names the column %q, which %s does not have", where, column, name), didYouMean(column, columns))
		}
	}
	if set := d.With["set"]; set != nil && set.shape == fieldShape {
		for _, f := range set.fields {
			if known(f.name, f.tmpl.keyPos); f.name == l.Key {
				c.bad("ledger", f.tmpl.keyPos, fmt.Sprintf("%s sets %s, the key of %s", where, f.name, name), "a row keeps its key")
			}
		}
	}
	if rows := d.With["rows"]; rows != nil && rows.shape == listShape {
		for _, row := range rows.list {
			for _, f := range row.fields {
				known(f.name, f.tmpl.keyPos)
			}
		}
	}
	if list := d.With["columns"]; list != nil && list.shape == listShape {
		columns = append(columns, "key", "state")
		for _, item := range list.list {
			if item.shape == fixedText {
				known(fmt.Sprint(item.fixed), item.Pos)
			}
		}
	}
}

// reached reports whether a move leads to the state.
func (l *Ledger) reached(state string) bool {
	for _, to := range l.Moves {
		if contains(to, state) {
			return true
		}
	}
	return false
}

// noted checks the questions of a collect whose answers are kept in columns of the same name.
func (c *checker) noted(s *Step, where string) {
	l := c.ledger(s.Collect.Ledger)
	if l == nil {
		return
	}
	for _, q := range s.Collect.Ask {
		if q.Name == l.Key {
			c.bad("ledger", q.Pos, fmt.Sprintf("%s asks for %s, the key of %s", where, q.Name, l.Name), "choose another name")
			continue
		}
		for _, col := range l.Columns {
			if col.Name != q.Name {
				continue
			}
			if why := misfit(q.Type, col.Type, true); why != "" {
				c.bad("ledger", q.Pos, fmt.Sprintf("the answer %s of %s goes to the column of that name, but does not fit: %s", q.Name, where, why), "give both the same type, or the question another name")
			}
		}
	}
}

// person checks a template that gives the id of the person who is asked. Where it reads a column
// or an answer, that must be declared as a person; ids from outside are text.
func (c *checker) person(t *Template, what string, at *place) {
	if t == nil || !c.fill(t, what, plainText(), false, at) || t.shape != oneExpr {
		return
	}
	e := t.pieces[0].expr
	parts := strings.Split(e.Text, ".")
	wrong := func(what string) {
		c.bad("type", e.Pos, fmt.Sprintf("%s is no person", what), "declare it as type: person")
	}
	if len(parts) == 2 {
		for s := at.step; s != nil; s = s.Parent {
			if s.Each == nil || s.Each.As != parts[0] {
				continue
			}
			if l := c.ledger(s.Each.Ledger); l != nil && !l.persons[parts[1]] {
				wrong(fmt.Sprintf("the column %s of %s", parts[1], l.Name))
			}
			return
		}
	}
	if len(parts) == 3 && parts[0] == "steps" && at.body.find(parts[1]) != nil {
		var fields []Input
		switch s := at.body.find(parts[1]); s.Kind {
		case Ask:
			fields = s.Ask.Fields
		case ByHand:
			fields = s.ByHand.Evidence
		}
		for _, f := range fields {
			if f.Name == parts[2] && !f.Person {
				wrong(fmt.Sprintf("the answer %s of %s", f.Name, parts[1]))
			}
		}
	}
	if len(parts) == 2 && parts[0] == "inputs" {
		for _, in := range c.p.Inputs {
			if in.Name == parts[1] && !in.Person {
				wrong("the input " + in.Name)
			}
		}
	}
}

// notSeen refuses a watched object whose name already means something where it stands.
func (c *checker) notSeen(name string, pos Pos, where string, at *place) {
	if at.names[name] != nil && !contains(reserved(), name) {
		c.bad("value", pos, fmt.Sprintf("%s calls what it watches %q, which already means something there", where, name), "give it another name with as: NAME")
	}
}
