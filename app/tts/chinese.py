"""Numbers where they stand in Chinese text: what they count, and how they are written, decides how they are read.

The rules are tried in the order of this file, each over the whole text, the particular before the general. Each turns
the digits it understands into words, so that later rules cannot see them; the last one takes whatever is left.

No rule may start in the middle of a run of digits, and all runs are possessive: that keeps them linear.
"""

import re
from collections.abc import Callable

from app.tts import numbers

_Reading = Callable[[re.Match[str]], str]
_RULES: list[tuple[tuple[str, ...], re.Pattern[str], _Reading]] = []

_DIGIT = re.compile("[0-9]")
_DASHES = ("-", "~", "–", "—", "−")
_START = r"(?<![0-9])(?<![0-9]\.)"
_NUMERAL = r"(?:[0-9]{1,3}(?:,[0-9]{3}){1,7}(?![0-9])|[0-9]++)(?:\.[0-9]++)?"
_SIGN = r"(?P<sign>(?<![A-Za-z0-9.)\]%])[-−](?=[0-9$€£¥]))?"
_SCALE = (
    r"(?:\s?(?P<scale>万亿|亿|万|千|百|[wW](?![A-Za-z0-9])"
    r"|(?:k|(?<=[0-9.][0-9])K)(?![A-Za-z0-9])(?!\s?[屏画视电显分高超蓝])))?"
)
"""Ten thousand and thousand as chat writes them; 4K and 2k屏 are resolutions."""

_CURRENCIES = {
    "$": "美元",
    "US$": "美元",
    "HK$": "港元",
    "NT$": "新台币",
    "€": "欧元",
    "£": "英镑",
    "¥": "元",
    "₩": "韩元",
    "₽": "卢布",
    "₹": "卢比",
    "฿": "泰铢",
    "₫": "越南盾",
}
_CURRENCY = r"(?P<currency>(?:US|HK|NT)\$|[$€£¥₩₽₹฿₫])"

_UNITS = {
    "km/h": "公里每小时",
    "m/s": "米每秒",
    "kwh": "千瓦时",
    "mah": "毫安时",
    "fps": "帧",
    "ghz": "吉赫",
    "mhz": "兆赫",
    "khz": "千赫",
    "hz": "赫兹",
    "km2": "平方公里",
    "cm2": "平方厘米",
    "m2": "平方米",
    "m3": "立方米",
    "km": "公里",
    "cm": "厘米",
    "mm": "毫米",
    "nm": "纳米",
    "kg": "公斤",
    "mg": "毫克",
    "ml": "毫升",
    "min": "分钟",
    "ms": "毫秒",
    "db": "分贝",
    "kb": "KB",
    "mb": "MB",
    "gb": "GB",
    "tb": "TB",
    "°c": "摄氏度",
    "°f": "华氏度",
    "°": "度",
}
"""In any case of letters, the longer before their beginnings. Those of data stay letters."""
_LETTER_UNITS = {"m": "米", "g": "克", "L": "升", "h": "小时", "s": "秒"}
"""In this case only: G is a gigabyte or a network, M mega, S a season."""
_UNIT = rf"(?P<unit>(?i:{'|'.join(_UNITS)})|[{''.join(_LETTER_UNITS)}])(?![A-Za-z0-9])"

_MEASURE = (
    r"\s?(?:万|千|亿|个|只(?![是有要能])|条|张|本|位|次(?!元)|天|周|小时|分钟|分(?!之)|秒|块|元|毛|角|刀|岁|人|件|家|倍|杯"
    r"|瓶|碗|份|种|口|头|匹|辆|台|部|首|场|局|把|盘|集|句|遍|回|层|步|双|对(?![0-9战手面方付不着于了])|点|米|公里|公斤|斤|克"
    r"|升|吨|厘米|毫米|平方|立方|度|美元|美金|欧元|英镑|日元|港元|港币|票|颗|根|支|枝|片|包|袋|盒|箱|封|顿|门|座|套|名"
    r"|年(?![级代])|星期|礼拜|圈|枚|朵|滴|串|届|轮|幅|副|棵|束|桌|字|词|页|帧|架|艘|枪|趟|批|节|款|顶|尺|寸|英寸|英里|海里"
    r"|粉丝|观众|粉|赞|币)"
)
"""Measure words: 2 before them is 两, a long or repetitive number an amount. Not those before which 2 is an ordinal or
part of a compound: 号 楼 级 路 班 线 代 胎 手 货 等 月 日, 二次元, 二年级, 二分之一."""
_MEASURED = re.compile(_MEASURE)

_CODES = frozenset({"007", "315", "404", "520", "521", "618", "911", "955", "985", "996", "1314", "9527", "5201314"})
_HOTLINES = frozenset({"110", "119", "211", "10086", "10010", "12306", "12315", "12345"})
"""Numbers that are names; said like telephone numbers, as others of theirs are."""
_LAUGH = re.compile(r"(?<![A-Za-z])[hH]{2,}+(?![A-Za-z])")
_GRAPHICS_CARD = re.compile("[1-9]0[5-9]0")
_NEAR_YEAR = re.compile("19[5-9][0-9]|20(?!00)[0-4][0-9]")


def read_numbers(text: str) -> str:
    """Return a Chinese text with its ASCII digits, and the marks that belong to numbers, as words.

    `1:30` is 一点三十分, `-5°C` 负五摄氏度, `3-5个` 三到五个, `$20` 二十美元, `11.5w` 十一点五万.
    Compatibility forms (％, ℃, ￥) must have been normalised (NFKC). No digit is left. Linear in the length.
    """
    if not _DIGIT.search(text):
        return text
    for needed, pattern, read in _RULES:
        if not needed or any(mark in text for mark in needed):
            text = pattern.sub(read, text)
    return text


def _rule(pattern: str, *, needs: tuple[str, ...] = ()) -> Callable[[_Reading], _Reading]:
    """Add a rule; without one of the strings that it `needs` in the text it cannot match, and is not tried."""

    def add(read: _Reading) -> _Reading:
        _RULES.append((needs, re.compile(pattern), read))
        return read

    return add


def read_laughs(text: str) -> str:
    """Return a Chinese text with hhhh, the first letter of 哈 over and over, as 哈哈哈."""
    return _LAUGH.sub("哈哈哈", text)


_LAUGH_START = r"(?<![0-9.,:A-Za-z$€£¥第-])"
_LAUGH_END = rf"(?![0-9A-Za-z.,%:/-])(?!{_MEASURE}|号)"


@_rule(rf"{_LAUGH_START}2333++{_LAUGH_END}|{_LAUGH_START}233(?=\s*(?:\Z|[，。！？!?~～哈笑]))", needs=("233",))
def _laughter(_: re.Match[str]) -> str:
    return "哈哈哈"


@_rule(rf"{_LAUGH_START}5555*+{_LAUGH_END}", needs=("555",))
def _tears(_: re.Match[str]) -> str:
    return "呜呜呜"


@_rule(
    r"(?P<name>房间?号|群号?|QQ|编号|学号|密码|验证码|邀请码|兑换码|口令|电话|手机号?|号码|热线|邮编|尾号|订单号?|微信号?"
    r"|[账帐]号|工号|代码|拨打|(?<![A-Za-z])(?i:u?id))(?P<link>(?:是|为)?[:：]?\s?)"
    r"(?P<digits>[0-9]{3,}+(?:-[0-9]++)*+)(?![.%])",
    needs=("号", "码", "群", "QQ", "电话", "手机", "热线", "口令", "邮编", "拨打", "d", "D"),
)
def _identifier(match: re.Match[str]) -> str:
    spoken = match["name"] in ("电话", "手机", "手机号", "热线", "拨打", "尾号")
    read = numbers.read_telephone if spoken else numbers.read_digits
    return match["name"] + match["link"] + read(match["digits"]).replace("-", "杠")


@_rule(
    r"(?<![0-9.,-])(?:(?:\+?86[- ]?)?1[3-9][0-9](?:[- ]?[0-9]{4}){2}"
    r"|0[0-9]{2,3}[- ][0-9]{7,8}|[48]00-?[0-9]{3}-?[0-9]{4})(?![0-9])"
)
def _telephone(match: re.Match[str]) -> str:
    return "，".join(numbers.read_telephone(part) for part in re.split("[- ]", match[0].lstrip("+")))


@_rule(
    r"(?<![0-9.])(?P<year>[12][0-9]{3})(?P<mark>[-/.])(?P<month>1[0-2]|0?[1-9])(?P=mark)"
    r"(?P<day>3[01]|[12][0-9]|0?[1-9])(?P<suffix>[日号])?(?![0-9.])",
    needs=("-", "/", "."),
)
def _date(match: re.Match[str]) -> str:
    return numbers.read_year(match["year"]) + "年" + _day_of_year(match)


@_rule(
    r"(?<![0-9./-])(?P<month>1[0-2]|0?[1-9])[/.-](?P<day>3[01]|[12][0-9]|0?[1-9])(?P<suffix>[日号])(?![码线楼])",
    needs=("日", "号"),
)
def _day_of_year(match: re.Match[str]) -> str:
    month, day = int(match["month"]), int(match["day"])
    return f"{numbers.read_integer(month)}月{numbers.read_integer(day)}{match['suffix'] or '日'}"


@_rule(r"(?<![0-9.,-])[0-9]++(?:-[0-9]++){2,}+(?!\.[0-9])", needs=("-",))
def _groups(match: re.Match[str]) -> str:
    """Read 3-2-1 with pauses, and what looks like a number of a document with its hyphens."""
    parts = match[0].split("-")
    return ("，" if max(map(len, parts)) == 1 else "杠").join(map(numbers.read_digits, parts))


@_rule(
    r"(?<![0-9.,])(?P<first>[12][0-9]{3})\s?[-~–—−到至]\s?(?P<last>[12][0-9]{3})(?=年|赛季|款)",
    needs=("年", "赛季", "款"),
)
def _years(match: re.Match[str]) -> str:
    return f"{numbers.read_year(match['first'])}到{numbers.read_year(match['last'])}"


@_rule(
    r"(?<![0-9.,])(?:(?:1[1-9]|2[0-2])[0-9]{2}(?=年(?![前后内来]|以[前后上])|赛季|款|届|版)"
    r"|(?:[6-9][1-9]|0[0-9])(?=年(?![级前后内]))|[0-9][05](?=后(?![面来天退])))",
    needs=("年", "后", "赛季", "款", "届", "版"),
)
def _year(match: re.Match[str]) -> str:
    return numbers.read_year(match[0])


@_rule(r"(?<=[0-9])\s?[-~–—−]\s?(?=(?:上午|下午|早上|晚上|中午|凌晨|次日|第)[0-9])", needs=_DASHES)
@_rule(r"(?<=[0-9][年月日号点时分秒岁元块万千百亿度级楼集章%])\s?[-~–—−]\s?(?=[0-9])", needs=_DASHES)
@_rule(r"(?<=[0-9]:[0-9][0-9])\s?[-~–—−]\s?(?=[0-9])", needs=(":",))
def _to(_: re.Match[str]) -> str:
    return "到"


@_rule(
    r"(?<![0-9.:])(?<!比分)(?<!比分[是:：])(?P<hour>[01]?[0-9]|2[0-4]):(?P<minute>[0-5][0-9])(?::(?P<second>[0-5][0-9]))?"
    r"(?![0-9:])(?:\s?(?P<half>[aApP])\.?[mM]\b\.?|分)?",
    needs=(":",),
)
def _time(match: re.Match[str]) -> str:
    words = _half_of_day(match["half"]) + numbers.read_count(int(match["hour"])) + "点"
    if int(match["minute"]) or match["second"]:
        words += _sixtieths(match["minute"]) + "分"
    return words + (_sixtieths(match["second"]) + "秒" if match["second"] else "")


@_rule(r"(?<![0-9.:])(?P<hour>1[0-2]|0?[1-9])\s?(?P<half>[aApP])\.?[mM]\b\.?", needs=("m", "M"))
def _hour(match: re.Match[str]) -> str:
    return _half_of_day(match["half"]) + numbers.read_count(int(match["hour"])) + "点"


def _sixtieths(digits: str) -> str:
    value = int(digits)
    return ("零" if 0 < value < 10 else "") + numbers.read_integer(value)


def _half_of_day(half: str | None) -> str:
    return "" if half is None else "上午" if half in "aA" else "下午"


@_rule(rf"{_START}[0-9]++(?::[0-9]++)++", needs=(":",))
def _ratio(match: re.Match[str]) -> str:
    return "比".join(map(numbers.read_decimal, match[0].split(":")))


@_rule(rf"{_START}[0-9]++(?:\.[0-9]++){{2,}}+", needs=(".",))
def _dotted(match: re.Match[str]) -> str:
    return "点".join(map(_short, match[0].split(".")))


@_rule(rf"{_START}[0-9]++(?:/[0-9]++)++", needs=("/",))
def _slashed(match: re.Match[str]) -> str:
    """Read 1/2 as a fraction, 11/20 as a day, and 10/2/8 as it is written."""
    parts = match[0].split("/")
    if len(parts) == 2 and max(map(len, parts)) < 5:
        first, second = map(int, parts)
        if 0 < first <= 12 and (10 < second <= 31 or 0 < second < first):
            return f"{numbers.read_integer(first)}月{numbers.read_integer(second)}日"
        if 0 < first <= second:
            return numbers.read_fraction(*parts)
    return "杠".join(numbers.read_decimal(part) if len(part) < 5 else numbers.read_digits(part) for part in parts)


@_rule(r"(?<=[元块米里人次])/(?=[天月年小时度个斤人次秒分件米平])", needs=("/",))
def _per(_: re.Match[str]) -> str:
    return "每"


@_rule(
    r"(?<=[0-9])\s?[×x*]\s?(?=[0-9])|(?<=[\u4e00-\u9fff\])）\s])[×x*]\s?(?=[0-9])|\A[×x*](?=[0-9])",
    needs=("x", "×", "*"),
)
def _times(_: re.Match[str]) -> str:
    return "乘"


@_rule(r"(?<=[0-9])\s?[-−]\s?(?=[0-9]++(?:\.[0-9]++)?\s?=)", needs=("=",))
def _minus(_: re.Match[str]) -> str:
    return "减"


@_rule(
    rf"{_SIGN}{_CURRENCY}\s?(?P<numeral>{_NUMERAL})(?:\s?[-~–—−]\s?(?P<high>{_NUMERAL}))?{_SCALE}",
    needs=tuple(_CURRENCIES),
)
def _money(match: re.Match[str]) -> str:
    low, high, scale = match["numeral"], match["high"], match["scale"] or ""
    amount = _scaled(low, scale, counted=True) if high is None else _scaled(low, "", counted=True)
    if high is not None:
        amount += "到" + _scaled(high, scale, counted=True)
    return _negative(match) + amount + _CURRENCIES[match["currency"]]


@_rule(rf"{_START}{_SIGN}(?P<numeral>{_NUMERAL}){_SCALE}\s?{_CURRENCY}(?![0-9])", needs=tuple(_CURRENCIES))
def _money_behind(match: re.Match[str]) -> str:
    amount = _scaled(match["numeral"], match["scale"] or "", counted=True)
    return _negative(match) + amount + _CURRENCIES[match["currency"]]


@_rule(rf"{_START}(?P<low>{_NUMERAL})\s?[-~–—−]\s?(?P<high>{_NUMERAL})%", needs=("%",))
def _percents(match: re.Match[str]) -> str:
    return numbers.read_percent(match["low"]) + "到" + numbers.read_decimal(match["high"])


@_rule(rf"{_START}{_SIGN}(?P<numeral>{_NUMERAL})\s?(?P<mark>[%‰])", needs=("%", "‰"))
def _percent(match: re.Match[str]) -> str:
    return _negative(match) + numbers.read_percent(match["numeral"], of="百" if match["mark"] == "%" else "千")


@_rule(
    rf"{_START}(?<![A-Za-z,-])(?P<low>{_NUMERAL})(?P<scale>[万千百亿wk])?\s?(?P<mark>[-~–—−])\s?(?=(?P<high>{_NUMERAL}))",
    needs=_DASHES,
)
def _range(match: re.Match[str]) -> str:
    """Read the first number of a range, a score or an identifier, and the mark behind it."""
    low, scale, high = match["low"], match["scale"] or "", match["high"]
    if _is_identifier(low) or _is_identifier(high):
        return f"{numbers.read_digits(low.replace(',', ''))}{scale}杠"
    counted = _MEASURED.match(match.string, match.end("high")) is not None
    rising = float(low.replace(",", "")) < float(high.replace(",", ""))
    word = "到" if (rising and low != "0") or scale or counted or match["mark"] == "~" else "比"
    return _scaled(low, scale, counted=counted and not _is_ordinal(match)) + word


def _is_identifier(numeral: str) -> bool:
    return (len(numeral) > 6 and numeral.isdigit()) or (numeral[0] == "0" and numeral[1:2].isdigit())


def _is_ordinal(match: re.Match[str]) -> bool:
    return match.string[match.start() - 1 : match.start()] == "第"


@_rule(r"(?<=[0-9])\s?~\s?(?=[-−]?[0-9])", needs=("~",))
def _to_signed(_: re.Match[str]) -> str:
    return "到"


@_rule(rf"(?<![A-Za-z])(?P<name>(?i:top|lvl?|level|no\.?|vol\.?|ep|part|chapter)[-\s]?)(?P<numeral>{_NUMERAL})")
def _numbered(match: re.Match[str]) -> str:
    return match["name"] + numbers.read_decimal(match["numeral"])


@_rule(
    rf"(?<=[A-Za-z])(?!(?<=[0-9kc ]m)[23](?![0-9A-Za-z.]))[-−]?(?P<numeral>{_NUMERAL}(?:-[0-9]++)*+)"
    rf"|{_START}98(?=[kK](?![A-Za-z0-9]))"
)
def _of_name(match: re.Match[str]) -> str:
    """Read the number of RTX4090, iPhone15, v2.0, COVID-19 or i9-14900, not that of m2, and of the rifle 98K."""
    if match["numeral"] is None:
        return numbers.read_digits(match[0])
    return "杠".join(map(_short, match["numeral"].split("-")))


@_rule(rf"{_SIGN}(?P<numeral>{_NUMERAL}){_SCALE}(?:\s?{_UNIT})?")
def _amount(match: re.Match[str]) -> str:
    numeral, scale, unit = match["numeral"], match["scale"] or "", match["unit"]
    if unit:
        word = _LETTER_UNITS.get(unit) or _UNITS[unit.lower()]
        return _negative(match) + _scaled(numeral, scale, counted=True) + word
    if scale or _MEASURED.match(match.string, match.end()):
        return _negative(match) + _scaled(numeral, scale, counted=not _is_ordinal(match))
    return _negative(match) + _bare(numeral, following=match.string[match.end() : match.end() + 1])


def _negative(match: re.Match[str]) -> str:
    return "负" if match["sign"] else ""


def _scaled(numeral: str, scale: str, *, counted: bool) -> str:
    """Read a numeral with its w, k, 万 or 亿; 2 before these, or where it counts something, is 两."""
    if scale in ("k", "K"):
        return numbers.read_scaled(numeral, 1000)
    scale = "万" if scale in ("w", "W") else scale
    if numeral == "2" and scale != "百" and counted:
        return "两" + scale
    return numbers.read_decimal(numeral) + scale


def _short(numeral: str) -> str:
    """Read what is part of a name: as a number up to two digits, digit by digit beyond."""
    if len(numeral) < 3 or not numeral.isdigit():
        return numbers.read_decimal(numeral)
    return numbers.read_digits(numeral)


def _bare(numeral: str, *, following: str) -> str:
    """Read a number that counts nothing in sight."""
    if not numeral.isdigit():
        return numbers.read_decimal(numeral)
    if numeral in _HOTLINES:
        return numbers.read_telephone(numeral)
    if len(numeral) > 2 and len(set(numeral)) == 1:
        return numbers.read_digits(numeral[:3])
    if following.isascii() and following.isalpha() and not numeral.endswith("00"):
        return _short(numeral)
    long = len(numeral) > 6 and not numeral.endswith("000")
    if long or numeral in _CODES or _GRAPHICS_CARD.fullmatch(numeral) or _NEAR_YEAR.fullmatch(numeral):
        return numbers.read_digits(numeral)
    return numbers.read_decimal(numeral)
