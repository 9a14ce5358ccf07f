"""Plots of everyday life: things lost and built, fears, storms, birthdays, markets and gardens."""

from phrases import BREAK, FRIEND_IN, HAPPY_END, HOME_END, OPENING, SAID, SETTING
from world import COLOURS, FOODS, FRUITS, SMALL_ANIMALS, TREASURES, WISE, Cast


def lost_thing(c: Cast):
    c.someone("h", workers=True)
    c.companion("f", "h")
    c.vars["thing"] = c.pick(TREASURES)
    c.vars["found"] = c.pick(["under a bench", "behind a big stone", "in a bird's nest", "under a pile of leaves", "at the bottom of the basket",
                              "between the roots of a tree", "under the bed", "in the tall grass", "behind the door"])
    c.vars["giver"] = c.pick(["grandmother", "grandfather", "aunt", "uncle", "mother", "father"])
    return [
        OPENING,
        "[{hhe} had a {colour} {thing} and loved it very much.|{hhis} favourite thing in the world was a {colour} {thing}."
        "|{hhe} had a {colour} {thing} that was a gift from {hhis} {giver}.|More than anything else, {h} loved {hhis} {colour} {thing}.]", BREAK,
        "[{time}, the {thing} was gone.|{time}, {h} could not find the {thing}.|{time}, {h} looked for the {thing}, but it was not in its place.]",
        "[{h} looked under the table and behind the curtains, but it was not there.|{h} searched every corner of the house."
        "|{hhe} looked everywhere at home, but the {thing} was nowhere.|{h} felt very sad and did not know what to do.]",
        '["Where can it be?" {hhe} [asked|wondered|said].|"Oh no, I have lost it!" {hhe} cried.|"I had it yesterday," {hhe} said to {hself}.|]',
        "[Then {hhe} remembered something. The day before, {hhe} had played {at1}.|{hhe} thought for a long time. Perhaps it was {at1}."
        "|So {h} went out to look for it {at1}.]", BREAK,
        '[{at1}, {h} met {f}, a {adj2} {fkind}.|On the way, {h} met {hhis} friend {f}, a {fkind}.|Soon {hhe} met a {fkind} named {f}.]',
        '["Why are you so sad?" asked {f}.|"You look worried," said {f}. "What is wrong?"|"Can I help you?" asked {f}.]',
        '["I have lost my {colour} {thing}," ' + SAID + ' {h}.|"I cannot find my {thing}," ' + SAID + ' {h}. "I have looked everywhere."]',
        '["Let us look for it together," said {f}.|"Do not worry," said {f}. "Four eyes see more than two."|"I will help you," said {f}. "We will find it."]',
        "[They looked {at1}, and then they looked {at2}.|First they looked {at1}. Then they went to {place2}.|Together they searched {at2}.]",
        "[They asked everyone they met, but nobody had seen it.|They looked for a long time and almost gave up.|They did not find it there, but they did not give up.|]",
        BREAK,
        "[At last, {f} saw something {colour} {found}.|Suddenly, {f} stopped and pointed. Something {colour} was lying {found}.|Then {h} looked {found}. Something {colour} was there.]",
        '["Look!" {fhe} [cried|shouted|said].|"What is that?" {fhe} asked.|]',
        "[It was the {thing}!|There it was, the {thing}!|It was {h}\'s {thing}, a little dirty but not broken.]",
        "[{h} was so happy that {hhe} jumped up and down.|{h} laughed and hugged {f}.|{h} picked it up and held it tight.]",
        '["Thank you, {f}," said {h}. "[You are a true friend|I could not have found it alone|You are so kind]."|"Thank you so much," said {h}.]',
        HAPPY_END,
        "[||A friend who helps you is worth more than any {thing}.|And {h} always took good care of the {thing}.]",
    ]


def hurt_animal(c: Cast):
    c.child("h") if c.rng.random() < 0.7 else c.worker("h")
    c.animal("f", SMALL_ANIMALS)
    c.vars["part"] = "wing" if c.vars["fkind"] in ("bird", "duck", "owl") else "leg"
    c.vars["leave"] = "flew" if c.vars["part"] == "wing" else "ran"
    c.relative("r")
    return [
        OPENING, SETTING, BREAK,
        "[Suddenly, {hhe} heard a [soft|small|strange] sound.|Then {hhe} heard someone crying.|There was a small noise behind a bush.]",
        "[Under a bush sat a little {fkind} with a hurt {part}.|A small {fkind} was lying on the ground. Its {part} was hurt.|It was a little {fkind} with a broken {part}.]",
        '["You poor thing," said {h}.|"Do not be afraid," {hhe} said softly. "I will help you."|"Oh, you are hurt," said {h}.]',
        "[The {fkind} looked at {him} with big, dark eyes.|The little {fkind} was shaking, but it did not run away.|]".replace("{him}", "{hhim}"),
        "[{h} put the {fkind} in {hhis} [basket|hat|arms] and carried it home.|Very carefully, {h} picked it up and took it home.|{h} wrapped it in {hhis} scarf and walked home.]", BREAK,
        "[At home, {hhis} {r} helped {hhim} to [wash|clean] the {part}.|{hhis} {r} showed {hhim} how to tie a clean cloth around the {part}.|{hhe} made a warm bed out of a box and an old blanket.]",
        "[{hhe} called the little {fkind} {f}.|{hhe} named the {fkind} {f}.|\"I will call you {f},\" said {h}.]",
        "[Every day, {h} brought {f} [fresh water and something to eat|food and water|bread and milk].|Every morning, {h} gave {f} food and water. Every evening, {hhe} sang a song.]",
        "[Day after day, the {part} got a little better.|After a week, {f} felt much better.|Slowly, the {part} healed.|Soon {f} was strong again.]", BREAK,
        "[Then the day came to say goodbye.|One morning, {f} was well again.|At last, {f} could leave.]",
        "[{h} was sad, but {hhe} knew that {f} belonged outside.|{h} opened the door. \"You are free,\" {hhe} said.|{h} carried {f} back to {place1}.]",
        "[{f} {leave} away, but stopped once and looked back.|{f} looked at {h} one more time and {leave} away.|{f} {leave} around {h} three times and then was gone.]",
        "[\"Goodbye, little friend,\" said {h}.|\"Come and see me again,\" {hhe} called.|]", BREAK,
        "[A few weeks later, {h} heard a sound at the window.|But that was not the end of the story. In the spring, someone knocked at the window.|The next morning, {h} opened the door and could not believe {hhis} eyes.]",
        "[It was {f}, with a [flower|berry|shiny stone] for {hhim}.|There was {f}, and {fhe} was not alone. {fhe} had brought {fhis} whole family.|{f} had come back to say thank you.]",
        HAPPY_END,
        "[||Kindness always comes back.|A small act of kindness can change a life.]",
    ]


def new_friend(c: Cast):
    c.someone("h")
    c.companion("f", "h")
    c.vars["adj"], c.vars["adj2"] = c.pick(["shy", "quiet", "gentle", "careful"]), c.pick(["kind", "curious", "clever"])
    c.vars["game"] = c.pick(["hide and seek", "with a ball", "a running game", "at building houses out of sand and sticks"])
    return [
        OPENING,
        "[But {h} was lonely, because {hhe} had no friends.|{h} was often alone and wished for a friend.|{hhe} was so shy that {hhe} never talked to anyone.|There was nobody to play with, and the days were long.]", BREAK,
        SETTING,
        "[There {hhe} saw a {fkind} who was also alone.|A {fkind} was sitting under a tree, all alone.|Then a {fkind} came along. It was someone {hhe} did not know.]",
        "[{h} wanted to say hello, but {hhe} was afraid.|\"What if {fhe} does not like me?\" {h} thought.|{hhis} heart was beating fast.]",
        "[But {hhe} took a deep breath and walked over.|Then {hhe} thought, \"I will try.\" And {hhe} walked over.|At last, {hhe} took one step, and then another.]", BREAK,
        '["Hello," said {h}. "My name is {h}. What is your name?"|"Hello, I am {h}," {hhe} said quietly. "Who are you?"|"Good day," said {h}. "Would you like to play with me?"]',
        '["I am {f}," said the {fkind}. "I am new here."|"My name is {f}," the {fkind} ' + SAID + '. "I do not know anyone here."]',
        '["Would you like some of my {colour} berries?" asked {h}.|"Then I will show you everything," said {h}.|"Do you want to be my friend?" asked {h}.]'.replace("{colour} ", ""),
        '[{f} smiled. "I would like that very much," {fhe} said.|"Oh, yes!" said {f}, and {fhe} smiled.|{f} nodded, and {fhis} eyes were shining.]', BREAK,
        "[They played {game} all afternoon.|They played {game} until they were tired.|{h} showed {f} {place2}, and they played {game}.]",
        "[{h} found out that {f} could tell funny stories.|{f} knew many songs, and {h} knew many games.|{f} told {h} about the far country where {fhe} was born.]",
        "[When it got dark, they did not want to go home.|When the sun went down, it was time to go home.|Time went by so fast that they forgot to eat.]",
        '["Will you come again tomorrow?" asked {f}. "Of course," said {h}.|"See you tomorrow," said {h}. "See you tomorrow," said {f}.|"Today was the best day of my life," said {f}.]',
        HAPPY_END,
        "[||Sometimes, one small word is enough to find a friend.|It only takes a little courage to make a friend.|All it took was a hello.]",
    ]


def fear(c: Cast):
    c.someone("h")
    if c.rng.random() < 0.5:
        c.companion("f", "h")
    else:
        c.animal("f", WISE)
    what, try_, after = c.pick([
        ("the dark", "sit outside at night", "The night was full of stars, and the moon was shining"),
        ("the water", "put one foot into the lake", "The water was cool and soft, and it felt good"),
        ("high places", "climb to the top of the hill", "From the top, {hhe} could see the whole valley"),
        ("thunder", "stay at the window during a storm", "The lightning was beautiful, and the rain sounded like music"),
        ("the forest", "walk along the forest path", "The forest was full of flowers and bird songs"),
        ("big dogs", "hold out one hand to the old dog", "The dog only wagged its tail and licked {hhis} hand"),
    ])
    c.vars.update(what=what, dare=try_, after=after)
    c.vars["adj"], c.vars["adj2"] = c.pick(["kind", "clever", "gentle", "friendly"]), c.pick(["patient", "cheerful", "careful", "happy"])
    return [
        OPENING,
        "[There was only one problem. {h} was afraid of {what}.|But {h} had a secret. {hhe} was afraid of {what}.|{h} loved many things, but {hhe} was very much afraid of {what}.]",
        "[When the others talked about it, {hhe} said nothing.|Everyone else laughed about it, and that made {hhim} sad.|{hhe} did not tell anyone about it.|]", BREAK,
        "[{time}, {h} talked to {f}, a {adj2} {fkind}.|{time}, a {fkind} named {f} found {hhim} crying.|{time}, {h} met {f}, a {adj2} {fkind}. {sky}]",
        '["What is wrong?" asked {f}.|"Why are you hiding?" asked {f}.|"Tell me what makes you sad," said {f}.]',
        '["I am afraid of {what}," ' + SAID + ' {h}. "[Please do not laugh|I do not know why|I wish I were brave]."|"Everyone is brave, but I am afraid of {what}," said {h}.]',
        '["Everyone is afraid of something," said {f}.|{f} did not laugh. "I was afraid of {what} too when I was small," {fhe} said.|"Being brave does not mean that you are never afraid," said {f}.]',
        '["We can try it together, one small step at a time."|"Come with me. I will stay with you."|"Take my hand, and we will go slowly."]' if c.vars["fkind"] in ("girl", "boy")
        else '["We can try it together, one small step at a time."|"Come with me. I will stay with you."|"Stay close to me, and we will go slowly."]', BREAK,
        "[So they decided to {dare}.|{f} told {hhim} to {dare}.|That same day, {h} tried to {dare}.]",
        "[At first, {h} was shaking.|{hhis} heart was beating like a drum.|{h} closed {hhis} eyes and counted to ten.]",
        '["You can do it," said {f}.|"I am here," {f} said quietly.|{f} stayed close to {hhim}.|]',
        "[Then {h} opened {hhis} eyes.|Then something wonderful happened.|After a while, {h} was not so afraid.]",
        "{after}.",
        '["It is beautiful!" said {h}.|"I did it!" cried {h}.|"It is not so bad," said {h}, and {hhe} began to smile.]', BREAK,
        "[From then on, {h} was a little less afraid every day.|{h} was very proud, and {f} was proud too.|After that, {h} was not afraid of {what} any more.]",
        "[{HE}|One day, {hhe} even helped a small mouse who was afraid of {what}.]".replace("{HE}", HAPPY_END),
        "[||To be brave is to be afraid and still go on.|Fear gets smaller when you share it with a friend.]",
    ]


def sharing(c: Cast):
    c.someone("h", workers=True)
    c.animal("f", WISE + ["mouse", "squirrel", "fox", "hedgehog"])
    food = c.pick(FOODS)
    c.vars["food"] = food
    them = "them" if food in ("two cookies", "some berries") else "it"
    c.vars["it"] = them
    return [
        OPENING, SETTING,
        "[{hhe} had {food} in {hhis} bag, because it was a long way.|{hhe} was hungry and wanted to eat {food}.|For lunch, {hhe} had {food} with {hhim}.]", BREAK,
        "[Just then, a thin {fkind} came out of the bushes.|An old {fkind} was sitting by the road.|As {hhe} sat down to eat, a {fkind} came near.]",
        '["Please," said the {fkind}, "I have not eaten for two days."|"I am so hungry," said the {fkind}. "Could you give me something to eat?"|"Good day," said the {fkind}. "Do you have a little food for me?"]',
        "[{h} looked at {hhis} food. It was not very much.|{h} was hungry too.|{h} thought about it for a moment.]",
        '["We can share {it}," {hhe} said at last.|"Sit down with me," said {h}. "There is enough for two."|"Here, take half," said {h}, and {hhe} smiled.]',
        "[So they sat in the grass and ate together.|They ate together and talked about the weather.|The {fkind} ate slowly and then smiled.]",
        '["You have a good heart," said the {fkind}. "My name is {f}, and I will not forget this."|"Thank you," said the {fkind}. "I am {f}. If you ever need help, call my name."]', BREAK,
        "[A few days later, {h} got lost {at2}.|Some weeks later, {h} fell into a deep hole and could not get out.|In the winter, the snow was so high that {h} could not find the way home.|One night, {h} lost the way in the fog.]",
        "[{hhe} was cold and afraid.|It was getting dark, and nobody was there.|{hhe} called for help, but nobody came.]",
        '[Then {hhe} remembered the {fkind}. "{f}!" {hhe} called. "{f}, please help me!"|Then {hhe} called, "{f}! {f}!"|At last, {hhe} called for {f}.]',
        "[It did not take long, and there was {f}.|A moment later, {f} came running.|Soon {hhe} heard a voice. It was {f}.]",
        '["I told you that I would help you," said {f}.|"Do not be afraid," said {f}. "I know the way."|"You shared your food with me," said {f}. "Now I will help you."]',
        "[{f} and {fhis} friends brought {h} home safely.|{f} showed {hhim} the way home.|With the help of {f}, {h} was soon safe at home.]", BREAK,
        HAPPY_END,
        "[||What you give comes back to you.|Those who share are never alone.|{h} had given away a little food and had found a friend.]",
    ]


def storm(c: Cast):
    c.someone("h", workers=True)
    c.companion("f", "h")
    c.vars["shelter"] = c.pick(["an old mill", "a small cave", "an empty barn", "a hollow tree", "a little hut"])
    return [
        OPENING, FRIEND_IN, BREAK,
        "[{time}, the two friends went to {place1}.|{time}, {h} and {f} were {at1}. {view1}.|{time}, {h} asked {f} to come to {place1}. {sky}]",
        "[But soon, dark clouds came over the hills.|Then the wind grew stronger, and the sky turned grey.|Suddenly, it became dark, and the birds stopped singing.]",
        '["A storm is coming," said {f}.|"Look at the clouds," said {h}. "We have to find a dry place."|"I felt a drop of rain," said {h}.]',
        "[A moment later, the rain began to fall.|There was a flash of lightning and a loud clap of thunder.|The rain came down so hard that they could hardly see the path.]",
        "[They ran as fast as they could.|They held on to each other and ran.|{h} slipped in the mud, but {f} helped {hhim} up.]", BREAK,
        "[At last, they found {shelter}.|Behind some trees, they saw {shelter}.|Luckily, {h} knew about {shelter} not far away.]",
        "[It was dry inside, but very dark.|Inside, it was dry and quiet.|They crawled inside and sat close together.]",
        "[There they found a little bird that was wet and cold.|Someone else was already there. It was a small, wet rabbit.|In a corner sat a mouse with three babies. She was afraid of the thunder.]",
        '["Come and sit with us," said {h}. "Together we are warm."|"Do not be afraid," said {f}. "The storm will pass."|{h} gave the little animal {hhis} scarf to keep warm.]'.replace("{h} gave the little animal {hhis} scarf to keep warm.", "{h} made room and told a funny story."),
        "[To pass the time, they told stories and sang songs.|{f} sang a song, and soon nobody was afraid any more.|They counted the seconds between the lightning and the thunder.]", BREAK,
        "[After an hour, the rain stopped.|At last, the thunder was far away.|When the storm was over, they went outside.]",
        "[A big rainbow stood in the sky.|The sun came out, and the whole world was shining.|The air was fresh, and every leaf was shining.]",
        '["How beautiful!" said {f}.|"Without the storm, we would not see the rainbow," said {h}.|"That was a real adventure," said {h}.]',
        HAPPY_END,
        "[||After every storm, the sun comes out again.|With a friend, even a storm is not so bad.]",
    ]


def truth(c: Cast):
    c.child("h")
    c.relative("r")
    c.companion("f", "h")
    c.vars["broken"] = c.pick(["vase", "cup", "window", "lamp", "plate", "bowl", "clock"])
    return [
        OPENING,
        "[{hhis} {r} had a beautiful {broken} and was very proud of it.|In the house, there was a {colour} {broken} that {hhis} {r} loved.]" if c.vars["broken"] != "window"
        else "[{hhis} {r} always said, \"Do not play with the ball in the house.\"|The rule of the house was simple. There was no playing with the ball near the window.]", BREAK,
        "[{time}, {h} was playing with a ball in the house.|{time}, {h} and {hhis} friend {f} were playing with a ball inside, because it was raining.]".replace("{time}, {h} and", "One rainy day, {h} and"),
        "[The ball flew through the air and hit the {broken}.|{h} threw the ball too high, and it hit the {broken}.]",
        "[Crash! The {broken} broke into many pieces.|There was a loud crash, and the {broken} was broken.]",
        "[{h} stood still and did not know what to do.|{hhis} face turned red, and {hhis} hands were shaking.|{hhe} felt hot and cold at the same time.]",
        '["I could say that the cat did it," {hhe} thought.|"If I hide the pieces, nobody will know," {hhe} thought.|"What should I do now?" {hhe} thought.]', BREAK,
        "[In the evening, {hhis} {r} came home.|A little later, {hhis} {r} came into the room.]",
        '["Who broke the {broken}?" {rhe} asked.|"What happened to the {broken}?" {rhe} asked.]',
        "[For a moment, {h} said nothing.|{h} looked at the floor.|{h} opened {hhis} mouth and closed it again.]",
        "[{hhe} wanted to tell a lie, but {hhe} felt bad about it.|{hhe} thought about the cat and about the lie. It did not feel right.|]",
        '["It was me," {hhe} said at last. "I am very sorry."|Then {hhe} said, "I did it. I was playing with the ball."|"I broke it," said {h}, and {hhe} began to cry.]', BREAK,
        "[{hhis} {r} was quiet for a moment. Then {rhe} put an arm around {hhim}.|{hhis} {r} sat down next to {hhim}.|{hhis} {r} looked at {hhim} and then smiled a little.]",
        '["I am sad about the {broken}," {rhe} said, "but I am glad that you told me the truth."|"Thank you for telling me the truth," {rhe} said. "That was brave."|"Things can be mended," {rhe} said. "It is more important that I can trust you."]',
        "[Together, they swept up the pieces.|{h} helped to clean the floor.|They picked up the pieces together, one by one.]",
        "[{h} used {hhis} own money to buy a new {broken}.|The next day, they went to the market and bought a new {broken}.|On the weekend, they tried to mend the {broken} with glue.]" if c.vars["broken"] not in ("window", "lamp")
        else "[{h} used {hhis} own money to help pay for a new {broken}.|The next day, they put in a new {broken} together.]".replace("put in a new lamp", "bought a new lamp"),
        "[{h} felt much better, as if a heavy stone had fallen from {hhis} heart.|{h} felt light and happy again.|That night, {h} slept very well.]",
        "[||The truth is not always easy, but it is always better than a lie.|And from then on, {h} only played with the ball outside.|A mistake is not so bad when you are honest about it.]",
    ]


def contest(c: Cast):
    c.someone("h", workers=True)
    c.companion("f", "h")
    kind, act, prize = c.pick([
        ("running race", "run", "a basket of apples"), ("singing contest", "sing", "a silver bell"),
        ("drawing contest", "draw", "a box of paints"), ("baking contest", "bake", "a golden spoon"),
        ("boat race", "row", "a new sail"), ("dancing contest", "dance", "a red ribbon"),
    ])
    doing = {"run": "running", "sing": "singing", "draw": "drawing", "bake": "baking", "row": "rowing", "dance": "dancing"}[act]
    c.vars.update(contest=kind, act=act, prize=prize, doing=doing)
    trouble = {
        "run": "[Then {f} fell over a root and hurt {fhis} knee.|Halfway to the goal, {f} slipped and fell.]",
        "row": "[Then {f} lost an oar, and {fhis} boat began to turn around.|Then {f}'s boat hit a rock and began to fill with water.]",
        "sing": "[Then it was {f}'s turn, but {fhe} was so afraid that {fhe} forgot the words.|But {f} stood there and could not make a sound.]",
        "draw": "[Then the wind blew {f}'s paper into the mud.|Then {f} knocked over a cup, and the water ran over {fhis} picture.]",
        "bake": "[Then {f} saw that {fhe} had no eggs left.|Then {f}'s cake fell on the floor.]",
        "dance": "[Then {f}'s shoe broke, and {fhe} had to stop.|Then {f} fell, and some people laughed.]" if c.vars["hkind"] in ("girl", "boy") else "[Then {f} slipped and fell, and some people laughed.|But {f} stood there and could not move.]",
    }[act]
    help_ = {
        "run": "[{h} was in front, but {hhe} stopped and ran back.|{h} could see the goal, but {hhe} turned around.]",
        "row": "[{h} was in front, but {hhe} turned {hhis} boat around.|{h} could have won, but {hhe} rowed back.]",
        "sing": "[{h} stood up and began to sing the song with {fhim}.|{h} went to {fhim}, and they sang the song together.]",
        "draw": "[{h} gave {fhim} half of {hhis} own paper.|{h} went to {fhim} and said, \"We can draw one picture together.\"]",
        "bake": "[{h} came over and gave {fhim} everything {fhe} needed.|{h} said, \"Take half of mine. We can bake together.\"]",
        "dance": "[{h} went to {fhim} and helped {fhim} up. \"We will dance together,\" {hhe} said.|{h} went to {fhim}, and they danced together.]",
    }[act]
    return [
        OPENING,
        "[{hhe} loved to {act} and did it every day.|Nobody liked to {act} more than {h}.|{h} was very good at {doing}.]", BREAK,
        "[{time}, there was a {contest} {at1}.|Every year, there was a {contest} {at1}.|{time}, {h} heard about a {contest} {at1}.]",
        "[The prize was {prize}.|The winner would get {prize}.|Everyone wanted to win {prize}.]",
        "[{h} practised every day, from morning to evening.|For three weeks, {h} practised every day.|\"I want to win,\" said {h}, and {hhe} practised very hard.]",
        "[But {f}, a {adj2} {fkind}, wanted to win too.|There was one other who was just as good. It was {f}, a {adj2} {fkind}.|{f}, a {fkind} from the next village, was also very good.]", BREAK,
        "[On the big day, many guests came to watch.|At last, the big day came, and everyone was there.|When the day came, {h} could hardly stand still.]",
        "[A bell rang, and the {contest} began.|\"One, two, three, go!\" called an old man with a white beard.|The {contest} began, and everyone clapped.]",
        "[At first, everything went well.|{h} was doing very well.|{h} and {f} were the best from the start.]",
        trouble,
        "[{h} saw it and thought for a moment.|\"Now I can win,\" {h} thought. But it did not feel right.|{h} looked at {f} and saw that {fhe} was close to tears.]",
        help_,
        '["Why do you help me?" asked {f}. "[Because you need help|Because I want to be your friend|Because it is more fun together]," said {h}.|"Thank you," said {f}. "You are very kind."]', BREAK,
        "[In the end, both of them won.|In the end, somebody else won the prize.|In the end, they came last, but everybody clapped for them.]",
        '["{h} has shown us something more important than winning," said the old man.|Everyone clapped for a long time, because they had seen what {h} did.|"I did not win," said {h}, "but I found a friend."]',
        HAPPY_END,
        "[||Winning is nice, but helping is better.|A good friend is the best prize of all.]",
    ]


def seed(c: Cast):
    c.someone("h", workers=True)
    fruit = c.pick(FRUITS)
    tree = c.rng.random() < 0.6
    c.vars["plant"] = f"{fruit} tree" if tree else c.pick(["sunflower", "rose bush", "pumpkin", "bean plant"])
    c.vars["reward"] = {"sunflower": "a flower as big as a plate", "rose bush": "a hundred red roses", "pumpkin": "a pumpkin as big as a chair",
                        "bean plant": "more beans than anyone could eat"}.get(c.vars["plant"], f"sweet, ripe {fruit[:-1] + 'ies' if fruit.endswith('y') else fruit + ('es' if fruit == 'peach' else 's')}")
    c.animal("f", WISE)
    c.vars["years"] = "years" if tree else "weeks"
    return [
        OPENING,
        "[{time}, {hhe} found a small seed {at1}.|{time}, an old {fkind} named {f} gave {hhim} a small seed.|{time}, {hhe} found a tiny seed in {hhis} bag.]",
        '["What will grow out of this?" {hhe} wondered.|"I will plant it," said {h}.|It was small and brown and did not look like much.]',
        "[{hhe} dug a hole in the ground and put the seed in it.|{h} found a sunny place and planted the seed.|Carefully, {hhe} put the seed into the soft earth.]", BREAK,
        "[Every day, {h} gave it water.|Every morning, {h} came with a can of water.|{h} sat next to it and waited.]",
        "[But nothing happened.|One day went by, and then another, but there was nothing to see.|After a week, there was still nothing to see.]",
        '["Maybe the seed is dead," {h} said sadly.|"Why does it not grow?" {h} asked.|{h} wanted to dig it up and look at it.]',
        '["Be patient," said {f}, {article} {fkind}. "Good things take time."|Then {f}, a wise {fkind}, came by. "You have to wait," {fhe} said. "A seed does not grow in one day."|A {fkind} named {f} heard {hhim}. "Do not give up," {fhe} said. "It is working under the ground, where you cannot see it."]'.replace("{article}", "the old"),
        "[So {h} waited.|So {h} went on giving it water every day.|{h} nodded and promised to wait.]", BREAK,
        "[Then, one morning, there was a tiny green leaf.|One day, after the rain, something green came out of the ground.|At last, a small green point looked out of the earth.]",
        "[{h} danced with joy.|\"It is growing!\" cried {h}.|{h} was so happy that {hhe} ran to tell everyone.]",
        "[The plant grew and grew.|It grew a little every day, and {h} took good care of it.|When the wind was strong, {h} tied the plant to a stick. When it was dry, {hhe} brought water.]",
        "[The {years} went by, and it became a big, strong {plant}.|After some {years}, it was a beautiful {plant}.]",
        "[One day, it gave {reward}.|And then, in the summer, it gave {reward}.]", BREAK,
        "[{h} shared with everyone in the village.|{h} asked all the neighbours to come, and they had a party.|{h} gave some to {f} and some to all the others.]",
        '["You were right," {h} said to {f}. "It was worth the wait."|"All this came from one small seed," said {h}.|]',
        HOME_END,
        "[||Good things need time and care.|Those who are patient will be rewarded.|And {h} kept one seed to plant it again.]",
    ]


def lost_in_forest(c: Cast):
    c.someone("h")
    c.animal("f", ["owl", "deer", "fox", "squirrel", "bear", "hedgehog", "badger"])
    c.vars["lure"] = c.pick(["a blue butterfly", "a white rabbit", "a golden bird", "a shining light", "a trail of red berries", "a strange song"])
    return [
        OPENING,
        "[\"Do not go too far into the forest,\" {hhis} mother always said.|{h} loved to explore the forest, but {hhe} was never allowed to go too far.|{hhe} knew every path near {hhis} home.]", BREAK,
        "[{time}, {h} saw {lure} between the trees.|{time}, {h} went into the forest to look for mushrooms. Suddenly, {hhe} noticed {lure}.]",
        "[It was so beautiful that {hhe} had to follow it.|{h} wanted to know more and followed it.|\"Wait for me!\" called {h}, and {hhe} went after it.]",
        "[{hhe} went left and right, over roots and under branches.|Deeper and deeper {hhe} went into the forest.|{hhe} crossed a stream and climbed over a fallen tree.]",
        "[Then, all of a sudden, it was gone.|But soon it was gone, and {h} was all alone.]",
        "[{h} looked around. Everything looked the same.|{h} turned around, but the path was gone too.|{hhe} did not know where {hhe} was.]",
        '["I am lost," {hhe} whispered.|"Hello?" {hhe} called. "Is anybody there?" But there was no answer.|{hhe} sat down on a stone and began to cry.]',
        "[It was getting dark, and the wind was cold.|The trees were tall, and the shadows were long.|Somewhere, a branch cracked.]", BREAK,
        '[Then {hhe} heard a soft voice. "Why are you crying?" It was a {fkind}.|"Who is there?" said a voice. {h} looked up and saw a {fkind}.|Then a {fkind} came out from behind a tree. "Good evening," said the {fkind}. "Are you lost?"]',
        '["I cannot find my way home," ' + SAID + ' {h}.|"Yes," said {h}. "I went too far, and now I cannot find the way back."]',
        '["I am {f}," said the {fkind}. "I know every tree in this forest. Come with me."|"Do not worry," said the {fkind}. "My name is {f}, and I will take you home."]',
        "[{f} went ahead, and {h} followed.|They walked side by side through the dark forest.|{f} showed {hhim} how to find the way by the stars.]",
        "[On the way, {f} told {hhim} the names of the trees and the flowers.|On the way, they drank cold water from a stream and ate some berries.|On the way, they talked, and {h} forgot that {hhe} was afraid.]", BREAK,
        "[At last, they saw a light between the trees.|After a long time, they came to the edge of the forest.|Then {h} saw the smoke of {hhis} own house.]" if c.vars["hkind"] in ("girl", "boy")
        else "[At last, they saw a light between the trees.|After a long time, they came to the edge of the forest.|Then {h} saw a tree that {hhe} knew.]",
        '["There is my home!" cried {h}. "Thank you, {f}!"|"I know this place!" said {h}. "Thank you for helping me."]',
        '["You are welcome," said {f}. "Next time, stay on the path."|"Come and visit me," said {f}, "but next time, do not come alone."|"It was nothing," said {f}, and {fhe} went back into the forest.]',
        "[{hhis} mother was so glad that she could not be angry.|{hhis} mother held {hhim} in her arms for a long time.|{hhis} mother was waiting at the door and ran to meet {hhim}.]",
        "[||After that, {h} always stayed on the path.|And {h} never forgot the kind {fkind}.|{h} had learned to be careful, and {hhe} had also found a new friend.]",
    ]


def building(c: Cast):
    c.someone("h")
    c.companion("f", "h")
    what, material, test_, bad = c.pick([
        ("boat", "old boards", "put it on the water", "it sank"), ("kite", "paper and string", "let it fly", "it fell to the ground"),
        ("bridge", "sticks and stones", "walk over it", "it fell into the stream"), ("tree house", "old wood", "climb up to it", "the floor broke"),
        ("sled", "two boards and a rope", "ride down the hill", "it fell apart"), ("little cart", "a box and four wheels", "ride in it", "a wheel came off"),
    ])
    c.vars.update(what=what, material=material, test=test_, bad=bad)
    return [
        OPENING, FRIEND_IN,
        "[{hhe} had a dream. {hhe} wanted to build a {what}.|More than anything, {h} wanted to have a {what}.|{hhe} liked to make things with {hhis} own hands.]" if c.vars["hkind"] in ("girl", "boy")
        else "[{hhe} had a dream. {hhe} wanted to build a {what}.|More than anything, {h} wanted to have a {what}.]", BREAK,
        '[{time}, {h} said to {f}, "Let us build a {what}!"|{time}, the two of them found {material} {at1}. "We can build a {what} out of this," said {h}.|{time}, {h} had an idea. "I am going to build a {what}," {hhe} said.]',
        '["I will help you," said {f}.|"That sounds like fun," said {f}. "Where do we start?"|"Do you know how to do that?" asked {f}. "No," said {h}, "but we can learn."]',
        "[They took {material} and began to work.|They worked all morning with {material}.|With {material}, they built and built until the sun was high.]",
        "[At last, the {what} was ready, and they were very proud.|When it was done, it looked wonderful.|Soon the {what} was finished.]",
        "[But when they tried to {test}, {bad}.|They tried to {test}. But, oh no, {bad}!]", BREAK,
        '[{f} was close to tears. "It is no use," {fhe} said.|"It does not work," {f} said sadly.|"Now everything is broken," said {f}.]',
        '["We only have to find out what went wrong," said {h}.|But {h} did not give up. "Let us try again," {hhe} said.|"Every mistake teaches us something," said {h}.]',
        "[They looked at it from all sides and thought hard.|They asked an old {adv}, who knew a lot about such things.|{h} drew a new plan in the sand.]".replace("{adv}", c.pick(["carpenter", "fisherman", "beaver", "neighbour"])),
        "[Then they built it again, but this time they tied everything with strong rope.|The second time, they were more careful.|They started again, slowly and carefully. It took three days.]",
        "[They made it stronger and tested every part.|{f} held the pieces, and {h} put them together.|]", BREAK,
        "[Then came the big moment. They tried to {test} again.|With beating hearts, they tried to {test} once more.|At last, it was time to {test}.]",
        "[And this time, it worked!|It worked, and the {what} was better than before!|The {what} was strong, and nothing broke!]",
        '["We did it!" they shouted.|"Hurray!" cried {f}.|{h} and {f} danced around and laughed.]',
        "[All the others came to see the {what}.|They painted it {colour} and gave it a name.|They let all their friends try it.]",
        HAPPY_END,
        "[||If you fail, try again.|It is not bad to fail, as long as you do not give up.|Together, they could do anything.]",
    ]


def treasure(c: Cast):
    c.someone("h")
    c.companion("f", "h")
    c.vars["inside"] = c.pick(["old books full of stories", "seeds of every kind of flower", "a letter and a small mirror", "a hundred glass marbles",
                               "paints in all the colours of the rainbow", "a silver flute"])
    c.vars["where"] = c.pick(["in an old book", "in a bottle on the beach", "under the floor", "in a dusty box", "behind a picture on the wall"])
    steps = c.pick(["ten", "twenty", "thirty", "fifty"])
    c.vars["n"] = steps
    return [
        OPENING, "[{hhe} loved adventures more than anything.|{hhe} always wanted to find a treasure.|{hhe} liked stories about pirates and islands.]", FRIEND_IN, BREAK,
        "[{time}, {h} found an old map {where}.|{time}, {h} made a discovery. {where}, there was an old map.]",
        "[The paper was yellow, and there was a red cross on it.|A red line led from the village to a big cross.|It showed {place1}, {place2} and a red cross.]",
        '["It is a treasure map!" cried {h}.|{h} ran to {f}. "Look what I have found!" {hhe} said.|"We have to follow it," {h} said to {f}.]',
        "[So they took a rope, a lamp and some bread and went on their way.|They packed a bag with water and apples and started at once.|{f} brought a rope, and {h} carried the map.]", BREAK,
        "[First, the map led them to {place1}. {view1}.|The first sign was a big stone {at1}.|They began {at1}, just as the map said.]",
        "[From there, they had to go {n} steps to the north.|They counted {n} steps and turned to the left.|Then they had to cross a small bridge. It was old and made strange noises.]",
        "[A big goat was standing in the way, but {f} gave it an apple, and it let them pass.|Suddenly, the wind took the map away, but {h} ran and caught it.|A wide ditch was in the way, but they used the rope to get across.|]",
        "[Next, they came to {place2}.|After that, they looked for a tree with two tops {at2}.|Then they rested {at2} and ate their bread.]",
        '["I am tired," said {f}. "It cannot be far now," said {h}.|"Here it is!" shouted {f}. "Here is the place!"|"We are close," said {h}, and {hhis} voice was shaking.]', BREAK,
        "[They dug and dug until they hit something hard.|Under some stones, they found an old box.|There, under the roots of a tree, was a small iron box.]",
        "[Slowly, {h} opened the box.|The lock was old, and it opened with a loud crack.|They looked at each other and opened it together.]",
        "There was no gold in it. There [was|were] {inside}.".replace("[was|were]", "was" if c.vars["inside"].startswith("a ") and "hundred" not in c.vars["inside"] else "were"),
        "[At first, they were surprised. Then they began to laugh.|\"This is better than gold,\" said {h}.|\"It is wonderful,\" said {f}.]",
        "[They shared everything fairly.|They took it home and shared it with all their friends.|They carried the box home together and talked about it for a long time.]",
        HAPPY_END,
        "[||The real treasure was the day they had together.|Not every treasure is made of gold.]",
    ]


def birthday(c: Cast):
    c.someone("h")
    c.companion("f", "h")
    c.companion("g", "h")
    c.vars["gift"] = c.pick(TREASURES)
    return [
        OPENING,
        "[It was {hhis} birthday, and {hhe} was very excited.|{time}, {h} woke up and smiled, because it was {hhis} birthday.|Today was a special day, because it was {hhis} birthday.]",
        "[{hhe} washed {hhis} face and ran outside.|{hhe} could hardly wait to see {hhis} friends.|{hhe} jumped out of bed and looked for a present, but there was none.]", BREAK,
        "[First, {hhe} met {f}.|First, {h} went to see {f}, a {adj2} {fkind}.|On the road, {hhe} saw {hhis} friend {f}.]",
        '["Good morning, {f}," said {h}. "Do you know what day it is?"|"Hello, {f}," said {h}. "Is today not a special day?"]',
        '["I am sorry, I have no time," said {f}, and {fhe} ran away.|"It is a day like any other," said {f}. "I have to go now."|"No," said {f}. "I am very busy."]',
        "[Then {h} went to {g}, but {g} had no time either.|Then {h} met {g}. But {ghe} was carrying a big box and did not stop.|{g} was not at home, and the door was closed.]",
        '["They have all forgotten me," {hhe} thought.|{h} felt very sad. Nobody had thought of {hhis} birthday.|"Nobody remembers my birthday," {hhe} said, and a tear ran down {hhis} cheek.]',
        "[{hhe} walked to {place1} and sat there alone.|All afternoon, {hhe} sat {at1}. {view1}.|{hhe} spent the whole day {at1} and did not want to play.]", BREAK,
        "[When it got dark, {hhe} went home.|In the evening, {hhe} slowly walked back.]",
        "[It was very quiet, and all the lights were out.|Everything was dark.|{hhe} opened the door and went inside.]",
        '["Surprise!" shouted many voices.|Suddenly, the lights went on, and everyone shouted, "Surprise!"]',
        "[There were {f} and {g} and all the others.|All {hhis} friends were there, and on the table stood a big cake.|{f} and {g} came out from behind the table with a cake.]",
        '["Did you think that we had forgotten you?" asked {f}.|"We had to keep it a secret," said {g}.|"We worked on it all day," said {f}. "That is why we had no time."]',
        "[{g} gave {hhim} a {colour} {gift}.|{f} had a present for {hhim}. It was a {colour} {gift}.|There was a present too, a {colour} {gift}.]", BREAK,
        "[They ate cake, sang songs and danced.|They played games and ate cake until late at night.|{h} blew out the candles and made a wish.]",
        '["You are the best friends in the world," said {h}.|"Thank you all," said {h}. "This is the best birthday ever."|{h} laughed and cried at the same time.]',
        "[{h} never forgot that birthday.|That night, {h} fell asleep with a smile.|And {hhe} knew that {hhe} would never be alone.]",
    ]


def wish(c: Cast):
    c.someone("h", workers=True)
    c.vars["magic"] = c.pick(["a shining stone", "an old lamp", "a golden fish", "a silver ring", "a talking frog", "a little star"])
    wanted, went, lesson = c.pick([
        ("a mountain of cake", "There was cake everywhere, on the bed, on the roof and in the street. Soon {h} could not look at cake any more", "Too much of a good thing is not good"),
        ("to be as tall as a tree", "But now {hhe} could not fit into {hhis} home, and all the others were afraid of {hhim}", "It is best to be just as you are"),
        ("that everything {hhe} touched would turn to gold", "But {hhis} food turned to gold, and even {hhis} bed was hard and cold", "Gold cannot make you happy"),
        ("that it would never be night again", "But nobody could sleep, and the flowers became dry and brown", "Everything has its time"),
        ("to be able to fly like a bird", "But up there it was cold and lonely, and the wind carried {hhim} far away from home", "There is no place like home"),
        ("that nobody could see {hhim}", "But {hhis} friends walked past {hhim} and could not hear {hhim} laugh", "Nothing is worse than being alone"),
    ])
    c.vars.update(wanted=wanted, went=went, lesson=lesson)
    c.vars["voice"] = c.vars["magic"].split(" ", 1)[1].replace("old ", "").replace("little ", "")
    return [
        OPENING,
        "[{h} was never quite content with what {hhe} had.|{hhe} often dreamed of magic.|{hhe} had everything {hhe} needed, but {hhe} always wanted more.]", BREAK,
        SETTING, "[There {hhe} found {magic}.|There {hhe} saw {magic}.|Something was shining in front of {hhim}. It was {magic}.]",
        '["I can give you one wish," said a [deep|soft|small] voice.|"Tell me your wish," it said, "and I will make it come true."|Suddenly, it began to speak. "You may make one wish," it said.]',
        '["Really?" asked {h}. {hhis} eyes became big.|{h} could not believe {hhis} ears.|{h} did not have to think for long.]',
        "[{hhe} wished for {wanted}.|\"I know what I want,\" {hhe} said. And {hhe} wished for {wanted}.]".replace("wished for {wanted}", "wished " + ("for " if wanted.startswith("a ") else "") + "{wanted}"),
        "[There was a flash of light, and the wish came true.|The {voice} became bright for a moment, and it happened at once.]".replace("The {voice} became bright for a moment", "There was a sound like a bell"), BREAK,
        "[At first, {h} was very happy.|For one day, it was wonderful.|At first, it was great fun.]",
        "{went}.",
        '["This is not what I wanted," said {h}.|"What have I done?" cried {h}.|{h} sat down and began to cry.]',
        "[{hhe} thought about {hhis} old life, and suddenly it seemed very good.|{hhe} wished that everything could be as it was before.|{hhe} missed the simple days when everything was normal.]", BREAK,
        "[So {hhe} went back to the place where it had all begun.|The next morning, {hhe} went back to {place1}.|As fast as {hhe} could, {hhe} went back to {place1}.]",
        '["Please," said {h}, "make everything as it was before."|"I have made a mistake," said {h}. "Can you take back my wish?"]',
        '["Are you sure?" asked the voice. "Yes," said {h}. "I have all I need."|"You have learned something," said the voice. "I will help you."|"That was a wise wish," said the voice.]',
        "[In a moment, everything was normal again.|There was another flash of light, and the magic was gone.|{h} closed {hhis} eyes. When {hhe} opened them, everything was as before.]",
        "[{h} ran home and hugged everyone {hhe} met.|{h} ran home and had never been so happy.|{h} went home and was glad about every little thing.]",
        "[|{lesson}.|{lesson}. {h} never forgot that.|From that day on, {h} was content with what {hhe} had.]",
    ]


def rescue(c: Cast):
    c.child("h") if c.rng.random() < 0.7 else c.animal("h", ["bear", "fox", "badger", "goat", "beaver"])
    c.companion("f", "h")
    c.vars["pet"] = c.pick(["kitten", "puppy", "baby bird", "little duck", "lamb", "small rabbit"])
    spots = [("on a stone in the middle of the river", "water", "a long branch"), ("in a deep hole", "hole", "a rope"), ("on the ice of the pond", "ice", "a long board")]
    if c.vars["pet"] in ("kitten", "baby bird"):
        spots += [("high up in a tree", "tree", "a ladder"), ("on the roof of the barn", "roof", "a ladder")]
    c.vars["spot"], what, c.vars["tool"] = c.pick(spots)
    danger = {"water": "The water was deep and fast.", "hole": "The hole was dark and deep.", "ice": "The ice was thin and made strange sounds.",
              "tree": "The branches were thin, and it was very high.", "roof": "The roof was wet, and it was a long way down."}[what]
    first = {"water": "tried to walk into the river, but the water was too strong", "hole": "tried to reach down, but the hole was too deep",
             "ice": "put one foot on the ice, but it began to crack", "tree": "tried to climb up, but the branch was too thin",
             "roof": "tried to climb up, but the wall was too high"}[what]
    c.vars.update(danger=danger, first=first)
    return [
        OPENING, SETTING, "[|{f}, {hhis} best friend, was with {hhim}.|{hhis} friend {f} was there too.]".replace("[|", "["), BREAK,
        "[Suddenly, they heard a cry.|Then they heard a thin little voice.|\"Listen,\" said {f}. \"Did you hear that?\"]",
        "[A {pet} was sitting {spot}.|They looked around and saw a {pet} {spot}.|They ran to see what it was. A {pet} was {spot}.]",
        "[It was wet and afraid.|It could not get away and cried for its mother.|It was shaking with fear.]".replace("wet", "cold"),
        "[{danger}|\"We have to help it,\" said {h}. {danger}]",
        "[{h} {first}.|First, {h} {first}.]",
        '["Be careful!" cried {f}.|"Come back!" called {f}. "That is too dangerous."|"Stop," said {f}. "We need a better idea."]', BREAK,
        "[They sat down and thought.|{h} looked around for something to use.|\"Think, {h}, think,\" {hhe} said to {hself}.]",
        '["I know what to do," said {f}. "We need {tool}."|Then {h} saw {tool}. "That is what we need," {hhe} said.|"If only we had {tool}," said {h}. Then {f} ran off and came back with one.]',
        "[{f} held one end, and {h} held the other.|{f} held it tight, and {h} moved slowly, step by step.|Together, they carried it to the right place.]",
        '["Come here, little one," {h} called softly.|"Do not be afraid," said {h}. "We are here."|They talked to the {pet} in soft voices.|]',
        "[The {pet} came closer, one step at a time.|The {pet} looked at {h} and waited.|At first, the {pet} did not move. Then it came a little closer.]",
        "[At last, {h} could reach it and hold it tight.|Then {h} took it in {hhis} arms.|A moment later, it was safe.]", BREAK,
        "[{f} clapped and shouted with joy.|\"You saved it!\" cried {f}.|\"We did it,\" said {h}, and {hhe} took a deep breath.]",
        "[Soon the mother of the {pet} came and thanked them.|They brought the {pet} back to its mother, who was very happy.|The {pet} fell asleep in {hhis} arms.]",
        HAPPY_END,
        "[||If you think first, you can solve almost any problem.|Alone it was too hard, but together they could do it.]",
    ]


def noise(c: Cast):
    c.someone("h")
    c.relative("r")
    c.animal("f", ["mouse", "hedgehog", "kitten", "owl", "squirrel", "frog", "puppy"])
    c.vars["sound"] = c.pick(["tap, tap, tap", "crick, crack", "knock, knock", "scratch, scratch", "bump, bump"])
    c.vars["where"] = c.pick(["in the kitchen", "under the bed", "behind the door", "in the cupboard", "on the roof", "outside the window"])
    return [
        OPENING, BREAK,
        "[One night, {h} could not sleep.|One dark night, {h} woke up.|It was late, and {h} was lying in bed.]",
        "[The moon was behind the clouds.|The wind was howling outside.|Everything was quiet.|]",
        '["{sound}," it went {where}.|Then {hhe} heard a strange noise {where}. "{sound}!"|Suddenly, there was a noise {where}. "{sound}," it went.]',
        "[{h} pulled the blanket over {hhis} head.|{h} held {hhis} breath and listened.|{hhis} heart was beating fast.]",
        '["What is that?" {hhe} whispered.|"Maybe it is a ghost," {hhe} thought.|"Maybe it is a monster," {hhe} thought.]',
        '["{sound}," it went again.|Then it came again, a little louder.|After a moment, {hhe} heard it again.]', BREAK,
        "[{h} did not want to be afraid any more.|\"I have to find out what it is,\" {hhe} said to {hself}.|At last, {h} got out of bed.]",
        "[{hhe} took a candle and walked slowly through the dark.|{hhe} took a small lamp and tiptoed through the dark.|With a lamp in front of {hhim}, {hhe} went to look.]",
        "[{hhis} knees were shaking.|Every shadow looked like a monster.|The floor made a cracking sound under {hhis} feet.]",
        '["Who is there?" {hhe} asked. Nobody answered.|"Come out!" {hhe} said, but {hhis} voice was very small.|"Hello?" {hhe} whispered.]',
        "[Then {hhe} looked {where}.|{hhe} held up the light and looked {where}.|Slowly, {hhe} came nearer and looked {where}.]", BREAK,
        "[There was no monster at all. It was a tiny {fkind}!|It was only a little {fkind}!|Two small eyes looked up at {hhim}. It was a {fkind}!]",
        "[It was looking for something to eat.|It was trying to open a nut.|It was cold outside, and it only wanted to get warm.]",
        '["So you made that noise!" said {h}, and {hhe} laughed.|{h} began to laugh. "And I was afraid of you," {hhe} said.|"You are not a monster," said {h}. "You are just hungry."]',
        "[{hhe} gave the {fkind} some bread and a little milk.|{hhe} brought some crumbs and a small bowl of water.|{hhe} made a small bed for the {fkind} in a box.]",
        "[{hhis} {r} came in. \"What are you doing here so late?\" {rhe} asked. {h} told {rhim} everything, and they both laughed.|They sat together for a while, and then {h} went back to bed.|After that, {h} was very tired.]",
        '["I will call you {f}," said {h}.|{h} named the little guest {f}.|]',
        "[{h} slept until the sun was high in the sky.|From then on, {h} was not afraid of noises at night.|Soon {h} was fast asleep, and there were no more noises that night.]",
        "[||Many things look bigger in the dark than they are.|Often, the thing you fear is smaller than you think.]",
    ]


def market(c: Cast):
    c.child("h")
    c.relative("r")
    c.animal("f", ["donkey", "goat", "puppy", "kitten", "rabbit", "duck"])
    c.vars["buy"] = c.pick(["bread", "milk", "honey", "flour", "salt", "candles", "eggs"])
    c.vars["n"] = c.pick(["two", "three", "five", "ten"])
    return [
        OPENING,
        '[{time}, {hhis} {r} gave {hhim} {n} coins. "Please go to the market and buy some {buy}," {rhe} said.|{time}, {hhis} {r} said, "We have no {buy} left. Here are {n} coins. Please go to the market for me."]',
        '["Do not worry," ' + SAID + ' {h}. "I will be back soon."|{h} put the coins into {hhis} pocket and went off.|{h} was proud, because it was the first time {hhe} could go alone.]', BREAK,
        "[The market was full of people.|At the market, there were so many things to see.|People were calling and laughing, and the air smelled of fruit.]",
        "[A man was selling {colour} balloons.|A woman was selling sweet cakes.|A girl was playing the flute, and a dog was dancing.]",
        "[{h} walked from one table to the next.|{h} stopped everywhere and looked at everything.|{h} almost forgot why {hhe} had come.]",
        "[Then {hhe} saw a sad little {fkind}.|In a corner, {hhe} saw a thin {fkind} on a short rope.|Behind a cart, there was a small {fkind} that nobody wanted.]",
        "[Its eyes were big and sad.|It looked at {h} and made a small sound.|It put its nose into {hhis} hand.]".replace("put its nose into {hhis} hand", "looked very hungry"),
        '["How much is the {fkind}?" asked {h}.|"What will happen to the {fkind}?" asked {h}.]',
        '["{n} coins," said the man.|The man laughed. "You can have it for {n} coins," he said.|"Give me {n} coins, and it is yours," said the man.]',
        "[{h} thought about the {buy}. Then {hhe} thought about the {fkind}.|{h} looked at the coins in {hhis} hand for a long time.|\"What should I do?\" {h} thought.]",
        "[Then {hhe} gave the man all the coins.|At last, {hhe} held out {hhis} hand and paid.]", BREAK,
        "[On the way home, {h} became more and more worried.|All the way home, {h} thought about what {hhis} {r} would say.|\"I will call you {f},\" said {h}. But on the way home, {hhe} was a little afraid.]",
        '["Where is the {buy}?" asked {hhis} {r}.|"And the {buy}?" {hhis} {r} asked.]'.replace("Where is", "Where are" if c.vars["buy"] in ("candles", "eggs") else "Where is"),
        '["I am sorry," said {h}, "but the {fkind} needed help."|{h} told {rhim} the whole story and did not leave anything out.|"I spent all the money," {hhe} said, "but look at this poor {fkind}."]',
        "[{hhis} {r} looked at the {fkind}. Then {rhe} began to smile.|{hhis} {r} did not say anything for a while. Then {rhe} laughed.|At first, {hhis} {r} was angry, but then {rhe} saw the sad eyes of the {fkind}.]",
        '["You have a good heart," {rhe} said, "but next time, please ask me first."|"Well," {rhe} said, "we can live without {buy} for one day."|"Then we have one more at the table tonight," {rhe} said.]', BREAK,
        "[The {fkind} was called {f}, and soon it was strong and happy.|They named the {fkind} {f} and gave {fhim} a warm place to sleep.|{f} became a part of the family.]",
        "[{f} followed {h} everywhere.|Every day, {h} and {f} played {at2}.|From then on, {f} went with {h} to the market every week.]",
        "[|{HE}|And {h} never went to the market again without laughing about that day.]".replace("{HE}", HAPPY_END),
    ]


def snow(c: Cast):
    c.child("h")
    c.companion("f", "h")
    c.animal("g", ["rabbit", "bird", "deer", "fox", "squirrel"])
    return [
        OPENING,
        "[One morning in winter, {h} looked out of the window.|One winter morning, {h} woke up, and it was very quiet.|It was the first day of winter.]",
        "[Everything was white.|It had snowed all night.|The trees, the roofs and the streets were covered in snow.]",
        '["Snow!" {hhe} shouted, and {hhe} jumped out of bed.|"Hurray, it has snowed!" {hhe} cried.|{hhis} eyes became big and round.]',
        "[{hhe} put on {hhis} warm coat and {hhis} {colour} hat and ran outside.|{h} ate breakfast as fast as {hhe} could and put on {hhis} boots.]", BREAK,
        "[{f} was already there.|Outside, {hhe} met {hhis} friend {f}.|Then {f} came out of the house next door.]",
        '["Let us build a snowman!" said {f}.|"Do you want to build a snowman with me?" asked {h}.|"We have to build the biggest snowman in the world," said {h}.]',
        "[They made one big ball, one middle ball and one small ball.|They rolled the snow until they had three big balls.|They worked so hard that their cheeks were red.]",
        "[For the eyes, they used two stones.|Two black stones were the eyes.|They gave the snowman stones for eyes and a smile made of sticks.]",
        "[For the nose, they used a carrot.|{h} ran home and got a carrot for the nose.|The nose was a long orange carrot.]",
        "[{h} gave him {hhis} own hat.|{f} put an old hat on his head.|They put a {colour} scarf around his neck.]",
        '["He looks like my uncle," said {f}, and they laughed.|"He is perfect," said {h}.|"Good day, Mister Snowman," said {f}.]', BREAK,
        "[The next morning, the carrot was gone.|But when they came back, the nose was missing.|After lunch, they could not believe their eyes. The snowman had no nose!]",
        '["Who has taken the nose?" asked {h}.|"That is strange," said {f}.|"There must be a thief," said {f}.]',
        "[There were small tracks in the snow.|In the snow, they saw the tracks of an animal.]",
        "[They followed the tracks to {place1}.|The tracks led to a bush. They looked behind it.]".replace("{place1}", "an old tree"),
        "[There sat a hungry {gkind} with the carrot.|There they found a {gkind}. It was thin and cold, and it was eating the carrot.]",
        '["It is hungry," {h} said softly. "It needs the carrot more than our snowman."|"The poor thing cannot find food in the snow," said {f}.|"We are not angry," {h} said to the {gkind}.]', BREAK,
        "[So they brought more carrots and some old bread.|Every day, they brought food for the {gkind}.|They brought some nuts and a carrot, and they put them under the tree.]",
        "[The snowman got a new nose, and the {gkind} got a name. They called {ghim} {g}.|For the snowman, they found a new nose made of wood.|And the snowman had a stick for a nose, and it looked just as good.]",
        "[When spring came, the snowman was gone, but the {gkind} still came to visit.|All winter long, the {gkind} came to see them.|]",
        HAPPY_END,
    ]


def helper_day(c: Cast):
    c.child("h")
    c.relative("r")
    c.vars["r"] = c.pick(["grandmother", "grandfather"])
    she = c.vars["r"] == "grandmother"
    c.pronouns("r", she)
    c.vars.update(rhe="she" if she else "he", rhim="her" if she else "him", rhis="her" if she else "his")
    make, steps, bad, good = c.pick([
        ("bread", "[First, they mixed flour and water.|First, they put flour, salt and water into a bowl.]", "The first bread was as hard as a stone.", "The second bread was soft and golden."),
        ("a cake", "[First, they mixed eggs, sugar and flour.|First, they broke four eggs into a bowl.]", "The first cake was flat and black.", "The second cake was high and sweet."),
        ("a pot of soup", "[First, they washed the carrots and the potatoes.|First, they cut the vegetables into small pieces.]", "{h} put in too much salt, and nobody could eat it.", "The next soup smelled so good that even the cat came to look."),
        ("apple jam", "[First, they picked the apples from the tree.|First, they washed and cut the apples.]", "{h} forgot to stir, and the jam turned black.", "The next jam was sweet and had the colour of gold."),
    ])
    c.vars.update(make=make, steps=steps, bad=bad, good=good)
    return [
        OPENING,
        "[{time}, {h} went to visit {hhis} {r}.|Every weekend, {h} visited {hhis} {r}. {time}, {hhe} came very early.|{time}, {hhis} {r} was waiting for {hhim} at the door.]",
        '["Hello, my dear," said {hhis} {r}.|"I am so glad that you are here," said {hhis} {r}.|{hhis} {r} had white hair and a kind smile.]',
        '["Today I will show you how to make {make}," said {hhis} {r}.|"Can you teach me how to make {make}?" asked {h}. "Of course," said {hhis} {r}.|"Let us make {make}," said {hhis} {r}. "You can help me."]', BREAK,
        "{h} washed {hhis} hands[ and put on a big apron| and stood on a chair|].",
        "{steps}",
        "[Then {hhis} {r} showed {hhim} what to do.|\"Slowly,\" said {hhis} {r}. \"We have time.\"|Then {hhis} {r} lit the fire in the old stove.]",
        '["I want to do it alone," said {h}.|"Let me try it alone," {hhe} said.|{h} wanted to do everything as fast as possible.]',
        "[But something went wrong. {bad}|But {hhe} was in a hurry. {bad}]",
        '["I cannot do it," said {h}, and {hhe} was close to tears.|{h} was so sad that {hhe} wanted to stop.|"I will never learn it," said {h}.]', BREAK,
        '[{hhis} {r} laughed softly. "When I was young, it happened to me too," {rhe} said.|"Do you know how often I failed?" asked {hhis} {r}. "More than a hundred times."|"Nobody is born a master," said {hhis} {r}.]',
        '["We will try it again," {rhe} said, "and this time we will not hurry."|"Let us start again together," {rhe} said.|"A mistake is only the first step," {rhe} said.]',
        "[So they started again.|So they began once more, and {h} listened carefully.|{h} dried {hhis} tears and tried again.]",
        "[This time, {hhe} did everything slowly and carefully.|While they waited, {hhis} {r} told {hhim} a story about the old days.|They sang a song while they worked.]",
        "{good}", BREAK,
        '["It tastes wonderful!" said {h}.|"I made it!" cried {h}. "I really made it!"|"You are a good cook," said {hhis} {r}.]',
        "[They sat at the table and ate until they were full.|They put some in a basket and gave it to the neighbours.|{h} took some of it home for {hhis} family.]",
        HOME_END,
        "[||It takes time to learn something new.|Years later, {h} still made {make} in the same way.|And every time {h} made {make}, {hhe} thought of {hhis} {r}.]",
    ]


def quarrel(c: Cast):
    c.someone("h")
    c.companion("f", "h")
    c.vars["thing"] = c.pick(TREASURES)
    c.relative("r")
    return [
        OPENING, FRIEND_IN,
        "[They shared everything, even their bread.|They had never had a quarrel.|They met every day and played {at1}.]", BREAK,
        "[{time}, they found a {colour} {thing} {at1}.|{time}, the two friends saw something {at1}. It was a {colour} {thing}.|{time}, there was a {colour} {thing} in the grass. {sky}]",
        '["It is mine!" cried {h}. "I saw it first."|"I saw it first," said {h}, "so it belongs to me."]',
        '["No, it is mine," said {f}. "I picked it up."|"But I picked it up," said {f}.|"That is not true," said {f}. "I saw it before you."]',
        "[They pulled and pulled, and the {thing} broke in two.|Both of them pulled at the {thing} until it broke.|They shouted at each other, and then {f} went home without a word.]",
        '["You are not my friend any more," said {h}.|"I never want to see you again," said {f}.|{h} was so angry that {hhe} did not say goodbye.]', BREAK,
        "[The next day, {h} played alone.|For three days, they did not talk to each other.|{h} stayed at home and looked out of the window.]",
        "[But no game was fun without {f}.|{hhe} missed the songs and the jokes of {f}.|The day was long, and {h} felt sad.]",
        '["Is a {thing} more important than a friend?" asked {hhis} {r}.|{hhis} {r} saw that {hhe} was sad. "Go and talk to {fhim}," {rhe} said.|"Somebody has to take the first step," said {hhis} {r}.]',
        "[{h} thought about it all night.|{h} knew that {hhis} {r} was right.|{h} took a deep breath and went to the home of {f}.]", BREAK,
        "[On the way, {hhe} met {f}, who was coming to see {hhim}.|When {hhe} opened the door, {f} was standing there.|Halfway there, {hhe} saw {f}, who was walking slowly with {fhis} head down.]",
        '["I am sorry," they both said at the same time.|"I am sorry," said {h}. "I was wrong." "I was wrong too," said {f}.|"I do not need the {thing}," said {f}. "I need my friend."]',
        "[They looked at each other and had to laugh.|They hugged each other for a long time.|{f} gave {hhim} half of {fhis} cake, and they sat down together.]",
        "[Then they mended the {thing} with glue and played with it together.|They gave the {thing} to a little {kid} who had no toys.|Then they went to {place2} and played until the evening.]".replace("{kid}", "child" if c.vars["hkind"] in ("girl", "boy") else "mouse"),
        HAPPY_END,
        "[||No thing is worth more than a friend.|It is hard to say sorry, but it is worth it.|A true friend can forgive.]",
    ]


def sick_friend(c: Cast):
    c.someone("h")
    c.companion("f", "h")
    c.vars["bring"] = c.pick(["a pot of hot soup", "a basket of fruit", "a jar of honey", "a bunch of flowers", "a warm blanket", "a big book"])
    return [
        OPENING, FRIEND_IN, BREAK,
        "[{time}, {h} waited for {f} {at1}, but {fhe} did not come.|{time}, {f} did not come to play.|{time}, {h} wanted to play with {f}, but {fhe} was not there. {sky}]",
        '["That is strange," {hhe} thought. "{f} is never late."|"Where is {f}?" {hhe} asked everyone {hhe} met.|{h} waited for an hour, and then {hhe} began to worry.]',
        '["{f} is sick and has to stay in bed," said an old neighbour.|Then {hhe} heard that {f} was sick.|At last, {hhe} went to the house of {f}. {f} was lying in bed and looked very pale.]', BREAK,
        "[{h} wanted to help.|{h} thought about what {hhe} could do.|\"I have to do something,\" {h} said to {hself}.]",
        "[{hhe} went home and came back with {bring}.|{hhe} ran home as fast as {hhe} could and got {bring}.|{hhe} looked around at home and found {bring}.]",
        "[It was a long way, and it began to rain, but {h} did not stop.|On the way, {hhe} also picked some berries.|]",
        '["Look what I have for you," said {h}.|"I have brought you {bring}," said {h}. "I hope that you will feel better soon."|Quietly, {hhe} opened the door. "Are you awake?" {hhe} asked.]',
        '["How kind of you," said {f} in a small voice.|{f} smiled for the first time that day.|"I was so bored and lonely," said {f}. "I am glad that you are here."]', BREAK,
        "[{h} sat next to the bed and told funny stories.|{h} read a story about a dragon and a princess.|{h} sang all the songs that {hhe} knew.]",
        "[When {f} fell asleep, {h} sat there quietly and waited.|{h} made tea and opened the window to let in some fresh air.|They played a game with small stones on the blanket.]",
        "[The next day, {h} came again, and the day after that too.|{h} came back every day for a week.|Every afternoon, {h} came to visit.]",
        "[Slowly, {f} got better.|After a few days, {f} could get up again.|One morning, {f} was well again and jumped out of bed.]", BREAK,
        '["You were the best medicine," said {f}.|"Without you, it would have been so long," said {f}. "Thank you."|"Let us go and play," said {f}, "but slowly."]',
        "[They went to {place2}, and the sun was shining.|They walked {at2} and looked at the clouds.|That afternoon, they played {at2} again.]",
        "[A month later, {h} was sick too. And who was sitting next to {hhis} bed? It was {f}, of course.|{HE}|{HE}]".replace("{HE}", HAPPY_END),
        "[||A visit from a friend can be better than any medicine.|In bad times, you see who your friends are.]",
    ]


def music(c: Cast):
    c.someone("h", workers=True)
    c.companion("f", "h")
    c.vars["tool"] = c.pick(["flute", "drum", "fiddle", "horn", "guitar", "harp"])
    c.vars["teacher"] = c.pick(["an old man", "an old woman"])
    return [
        OPENING,
        "[{hhe} loved music more than anything.|Whenever {hhe} heard music, {hhe} had to dance.|{hhe} was always humming a song.]", BREAK,
        "[{time}, {hhe} found an old {tool} {at1}.|{time}, {teacher} gave {hhim} a {tool}.|{time}, {hhe} heard {teacher} who was playing the {tool} {at1}. \"Would you like to try?\" asked the stranger.]",
        "[{h} tried to play it, but the sound was terrible.|{h} tried it at once. It sounded like an angry cat.|The first sound was so loud that all the birds flew away.]",
        '["Please stop!" cried the neighbours.|"My poor ears," said {f}, a {fkind} from next door.|Everyone laughed, and {h} turned red.]',
        "[But {h} did not want to give up.|\"I will learn it,\" said {h}.|{h} was sad for a while, but then {hhe} tried again.]", BREAK,
        "[Every day, {hhe} went to {place2}, where nobody could hear {hhim}, and played.|{hhe} practised day after day, in the sun and in the rain.|Every morning, {hhe} got up early and practised {at2}.]",
        "[After a week, it sounded a little better.|Slowly, the sounds became a song.|In the beginning it was hard, but then it became easier.]",
        "[One day, a bird sat down next to {hhim} and listened.|One day, a deer came near and did not run away.|Sometimes, the wind seemed to sing with {hhim}.]",
        '["That was beautiful," said a voice. It was {f}.|{f} had heard everything. "You have become so good!" {fhe} said.|Then {f} came along and could not believe {fhis} ears.]', BREAK,
        "[In the summer, there was a big party in the village.|Then came the day of the great feast.|When the winter was over, everyone came together to dance.]",
        "[But the musician did not come, because he had lost his way.|But there was no music, and everyone stood around.|But it was a sad party, because nobody could play a song.]",
        '["{h} can play for us," said {f}.|"I know someone who can help us," said {f}, and {fhe} looked at {h}.|{f} pushed {h} to the middle. "Play something," {fhe} said.]',
        "[{hhis} hands were shaking, but then {hhe} closed {hhis} eyes and began to play.|At first, {h} was afraid. Then {hhe} took the {tool} and played.|{h} took a deep breath and played {hhis} best song.]",
        "[The music was like sunshine, and everyone began to dance.|It was so beautiful that some of them cried.|Old and young danced until the moon was high in the sky.]", BREAK,
        '["Forgive us that we laughed," said the neighbours.|"Who has taught you to play like that?" asked the people. "Nobody," said {h}. "I just did not give up."|"Play it again!" they all called.]',
        "[From then on, {h} played at every party.|After that, nobody laughed at {hhis} {tool} again.|{HE}]".replace("{HE}", HAPPY_END),
        "[||Practice makes the master.|Every beginning is hard.]",
    ]


def letter(c: Cast):
    c.child("h")
    c.relative("g")
    c.vars["g"] = c.pick(["grandmother", "grandfather", "aunt", "uncle"])
    c.vars["G"] = c.vars["g"].capitalize()
    she = c.vars["g"] in ("grandmother", "aunt")
    c.pronouns("g", she)
    c.animal("f", ["bird", "owl", "fox", "squirrel", "mouse"])
    c.vars["far"] = c.pick(["on the other side of the mountain", "in a house by the sea", "in a far city", "on a small island", "three days away"])
    return [
        OPENING, "[{hhis} {g} lived {far}, and {h} missed {ghim} very much.|{h} had not seen {hhis} {g} for a whole year, because {ghe} lived {far}.]", BREAK,
        "[{time}, {h} had an idea. {hhe} wanted to write a letter.|{time}, {h} sat down at the table with a pen and some paper.|\"I will write a letter,\" said {h} {time}.]",
        '["Dear {G}," {hhe} wrote, "I think of you every day."|"Dear {G}," {hhe} wrote, "how are you? I am well. Please come and visit us."]',
        "[{hhe} drew a picture of the house and the garden.|At the end, {hhe} drew a big red heart.|{hhe} put a dry flower into the letter.]",
        "[Then {hhe} went out to send the letter.|{h} put the letter into {hhis} pocket and went to the village.|With the letter in {hhis} hand, {hhe} ran along the road.]", BREAK,
        "[But suddenly, the wind took the letter out of {hhis} hand.|But on the bridge, {hhe} slipped, and the letter flew away.|Then a strong wind came and carried the letter away.]",
        "[It flew over the trees, higher and higher.|{h} ran after it, but it was too fast.|It danced in the air and was gone.]",
        '["Oh no!" cried {h}. "Now it will never arrive."|{h} sat down by the road and was very sad.|"My beautiful letter," said {h}, and {hhis} eyes were full of tears.]',
        "[But {h} did not see that the letter had landed in front of a {fkind}.|But far away, a {fkind} named {f} found the letter under a tree.|But the letter was not lost. A {fkind} named {f} had seen it fall.]",
        "[{f} looked at the heart on the paper and knew that it was important.|\"Somebody is waiting for this,\" thought {f}.|The {fkind} picked it up with great care.]",
        "[The little {fkind} carried it over the hills and through the forest.|All day and all night, the {fkind} was on the way.|The way was long, but the {fkind} did not stop.]", BREAK,
        "[A few weeks later, someone knocked at the door.|One evening, there was a knock at the door.|Many days went by. Then, one morning, {h} heard steps outside.]",
        "[{h} opened the door. There was {hhis} {g}, with a bag in {ghis} hand!|It was {hhis} {g}! {ghe} was holding the letter in {ghis} hand.]",
        '["Your letter made me so happy that I had to come at once," said {hhis} {g}.|"A little {fkind} brought me your letter," {ghe} said. "You will not believe it."]',
        "[{h} jumped into {ghis} arms and laughed.|{h} was so happy that {hhe} could not speak.|They hugged each other for a long time.]",
        "[They sat by the fire and told each other everything.|{hhis} {g} stayed for the whole summer.|Behind the house, a {fkind} was sitting in the grass, and it looked very content.]",
        "[||A few kind words can go a long way.|After that, {h} wrote a letter every week.|{HE}]".replace("{HE}", HOME_END),
    ]


def new_home(c: Cast):
    c.child("h") if c.rng.random() < 0.6 else c.animal("h")
    c.companion("f", "h")
    c.vars["old"], c.vars["new"] = c.pick([("the village", "the city"), ("the mountains", "the sea"), ("the sea", "the mountains"), ("the forest", "the valley")])
    return [
        "[{h} was a {adj} {hkind} who had always lived near {old}.|Once upon a time, there was a {hkind} named {h}, who lived near {old}.|{h}, a {adj} {hkind}, had lived near {old} all {hhis} life.]",
        "[{hhe} knew every tree and every stone there.|{hhe} had many friends and was very happy there.|It was the best place in the world for {hhim}.]",
        '[But one day, {hhis} mother said, "We have to move to a new home near {new}."|But then {hhis} family had to move. Their new home was near {new}.]', BREAK,
        '["I do not want to leave," said {h}.|{h} cried and did not want to go.|"What about my friends?" asked {h}.]',
        "[But there was no other way, and so they packed everything.|They packed all their things and went on their way.|The next morning, {h} said goodbye to everyone.]",
        "[The way was long, and {h} did not say a word.|For two days, they were on the road.|{h} looked back until {hhe} could not see the old house any more.]",
        "[At the new place, everything was different.|The new home was big and quiet.|Everything was strange, even the smell of the air.]",
        "[At night, {h} could not sleep. {hhe} thought of {hhis} old home.|{h} sat in {hhis} new room and felt lonely.|{h} did not want to go outside.]", BREAK,
        "[{time}, there was a knock at the door.|{time}, {h} went outside for the first time. {sky}|{time}, {h} heard someone laughing outside.]",
        "[A {fkind} was standing there.|In front of the house stood a {adj2} {fkind}.|{hhe} saw a {fkind} who was playing alone.]",
        '["Hello, I am {f}," said the {fkind}. "I live next door."|"You must be new here," said the {fkind}. "My name is {f}. Do you want to come with me?"]',
        "[At first, {h} was too shy to answer.|{h} did not know what to say, but {hhe} nodded.|{h} looked at the ground. Then {hhe} said, \"My name is {h}.\"]",
        '["Come, I will show you the best places," said {f}.|"I will show you something," said {f}, and {fhe} ran ahead.]', BREAK,
        "[First, they went to {place1}. {view1}.|{f} showed {hhim} {place1}. {view1}.]",
        "[After that, {f} took {hhim} to {place2}.|Then they ran to {place2} and met the others.|Then they rested {at2} and ate some bread.]",
        '["It is beautiful here," said {h}, and {hhe} was surprised.|"I did not know that it was so nice here," said {h}.|For the first time in many days, {h} laughed.]',
        '["Will you show me more tomorrow?" asked {h}. "Of course," said {f}.|"Tell me about your old home," said {f}, and {h} told {fhim} everything.]',
        "[When {h} came home, {hhis} mother saw that {hhe} was happy.|That night, {h} slept well.|In the evening, {h} wrote a long letter to {hhis} old friends.]",
        "[Soon the new place was a real home.|After some weeks, {h} knew every path and every stone.|{HE}]".replace("{HE}", HAPPY_END),
        "[||Home is where your friends are.|Something new can be good too.]",
    ]
